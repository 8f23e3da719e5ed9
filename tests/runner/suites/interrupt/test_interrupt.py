def test_a():
    pass


def test_b():
    raise KeyboardInterrupt


def test_c():
    pass
