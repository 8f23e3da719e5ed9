"""Set-up and teardown in the old style: methods of modules and classes."""

LOG = []


def setup_module(module):
    LOG.append("M+")
    print("setup_module")


def teardown_module(module):
    LOG.append("M-")
    print("teardown_module", LOG)


class TestOld:
    @classmethod
    def setup_class(cls):
        LOG.append("C+")

    @classmethod
    def teardown_class(cls):
        LOG.append("C-")
        print("teardown_class")

    def setup_method(self):
        LOG.append("m+")

    def teardown_method(self):
        LOG.append("m-")

    def test_one(self):
        pass

    def test_two(self):
        assert LOG.count("C+") == 1


def test_three():
    pass
