from pytest_bdd import given, parsers, scenarios, then, when

scenarios("sums.feature")


@given(parsers.parse("the number {a:d}"), target_fixture="number")
def the_number(a):
    return [a]


@when(parsers.parse("{b:d} is added"))
def added(number, b):
    number.append(b)


@then(parsers.parse("it is {total:d}"))
def is_total(number, total):
    assert sum(number) == total
