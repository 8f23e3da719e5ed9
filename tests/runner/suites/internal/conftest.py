def pytest_runtest_setup(item):
    pass


def pytest_runtest_logreport(report):
    if report.nodeid.endswith("test_b") and report.when == "call":
        raise ZeroDivisionError("a plugin of the suite is broken")
