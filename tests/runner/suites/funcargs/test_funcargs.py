def test_a(slow_end):
    pass
