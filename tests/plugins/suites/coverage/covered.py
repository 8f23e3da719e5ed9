def sign(number):
    if number < 0:
        return -1
    if number > 0:
        return 1
    return 0


def never():
    return "never"


def in_a_child():
    return "child"
