"""What the bench runs, in which order: what says most comes first, since the time may be over.

A run is (kind, suite, who); who is "serial", "frozen", "makespan N", "all N" (makespan that starts all of
them, whatever the CPUs serve) or "MODE N", a mode of xdist.
"""

MODES = ["load", "loadscope", "loadfile", "worksteal"]
WARM, COLD, MEMORY = "warm", "cold", "memory"


def runs(suites, workers, modes, rounds):
    """Both sides of a row follow each other, so that what else the machine does meets both."""
    main = [run for number in workers for suite in suites for run in pair(WARM, suite, number, modes)]
    short = [suite for suite in suites if not suite.is_long]
    long = [suite for suite in suites if suite.is_long]
    yield from main
    yield from ((WARM, suite, "makespan auto") for suite in suites if suite.waits)
    yield from single(short)
    yield from single(long)
    most = max(workers)
    for suite in suites:
        yield from pair(MEMORY, suite, most, modes)
        yield MEMORY, suite, "all %d" % most
    for suite in long:  # what one more worker takes
        yield from pair(MEMORY, suite, min(workers), modes)
        yield MEMORY, suite, "all %d" % min(workers)
    computing = [suite for suite in suites if suite.computes]
    for number in sorted(workers, reverse=True):
        for suite in computing:
            if number == most or not suite.is_long:
                yield from pair(COLD, suite, number, modes)
    yield from ((WARM, suite, "frozen") for suite in computing)
    for number in workers:  # those modes of xdist that were slower when all were compared last
        for suite in short:
            for mode in modes:
                if mode != expected(suite, number, modes):
                    yield WARM, suite, "%s %d" % (mode, number)
    for _round in range(1, rounds):
        yield from main


def expected(suite, number, modes):
    mode = suite.fastest.get(number, "loadfile")
    return mode if mode in modes else modes[0]


def pair(kind, suite, number, modes):
    return [(kind, suite, "%s %d" % (expected(suite, number, modes), number)),
            (kind, suite, "makespan %d" % number)]


def single(suites):
    return ((WARM, suite, who) for suite in suites for who in ("serial", "makespan 1"))
