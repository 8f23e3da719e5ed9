"""The code under test."""


def size(number):
    if number > 5:
        return "big"
    if number == 3:
        return "three"
    return "small"


def never():
    return None
