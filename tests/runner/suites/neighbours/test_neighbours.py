class TestOne:
    def test_a(self, open_for):
        assert open_for is TestOne

    def test_b(self, open_for):
        assert open_for is TestOne


class TestTwo:
    def test_a(self, open_for):
        assert open_for is TestTwo


class TestThree:
    def test_a(self, open_for):
        assert open_for is TestThree
