import hypothesis
from hypothesis import strategies


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(strategies.integers())
def test_finds_a_number(number):
    assert number < 1000


@hypothesis.given(strategies.lists(strategies.integers()))
@hypothesis.settings(max_examples=20, deadline=None)
def test_holds(numbers):
    hypothesis.event("empty" if not numbers else "some")
    assert sorted(sorted(numbers)) == sorted(numbers)


@hypothesis.given(strategies.text())
@hypothesis.settings(max_examples=20, deadline=None, derandomize=True)
def test_the_same_each_time(text):
    assert text != "0"
