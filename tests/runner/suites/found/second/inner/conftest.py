heard = []


def pytest_runtest_logstart(nodeid):
    heard.append(nodeid)


def pytest_terminal_summary(terminalreporter):
    for nodeid in sorted(heard):
        terminalreporter.write_line("second heard of " + nodeid)
