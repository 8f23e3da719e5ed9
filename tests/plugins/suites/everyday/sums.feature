Feature: sums
    Scenario Outline: two numbers
        Given the number <a>
        When <b> is added
        Then it is <sum>

        Examples:
        | a | b | sum |
        | 1 | 2 | 3   |
        | 2 | 2 | 5   |
