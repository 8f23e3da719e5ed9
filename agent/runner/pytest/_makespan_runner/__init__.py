"""Makespan's Python side: what runs inside the user's pytest.

hooks     the entry: options, the handshake with the agent, the fork into reporter and forker
reporter  the pytest the user asked for: terminal, JUnit XML, cache, exit code; runs no test
replay    turns what workers sent back into the hook calls a serial run would have made
forker    forks the zygote, or the workers that collect for themselves
collector what a process does while it collects
manifest  the tests it found, as the agent wants to know them
zygote    collects once, then only forks
early     a worker that collects for itself
worker    how a process becomes one that runs tests, and how it ends
runner    runs the tests that the agent names
events    what is told at once, beside the reports of a test
isolate   a test in a fork of its own
relay     what that fork says, passed on
threads   several tests of a worker at a time
apart     what each of those tests has of its own
records   what a test did, as sent to the agent and the reporter
channel   between the reporter and its children: workerinput
orphan    a fork whose parent is the keeper
preflight what a fork would lose or have to share
identity  who asks too early which worker this is
openblas  its thread pool survives a fork
atfork    all that a process has to forget or renew right after a fork
sharded   a machine of several imports only the files whose tests it runs
deferred  what stands for a file that is not imported yet, and for its tests
deal      which files fall to which machine
known     which tests a file held when it was last collected
thaw      the whole heap for tests that ask the garbage collector
marks     what @pytest.mark.makespan asks for
lookers   tests that ask for the whole heap stay together
holes     no free places in the pages that workers share
pages     the reporter's own again before its heap is taken apart
tracebacks our frames are not shown
shortcuts what a worker need not do for each test
filters   the filters of warnings, worked out once
statements where statements of a source begin and end, remembered
logs      live logging and log files, forwarded
live      output while it is written
voice     the terminal reporter of processes without a terminal
xmlstub   the JUnit XML object, as far as tests see it
benchmark what pytest-benchmark measures in a worker, for the reporter
caches    what pytest's caches learn while collecting
capture   capture of output for forked processes
stopwatch seconds that pass, though tests freeze time
fixtures  exclusive time of set-up and teardown of wider fixtures
conftests found while collecting, and loaded where the terminal is as well
compat    what suites written for pytest-xdist expect to find
options   the options of pytest-xdist
frames    the wire; docs/runner-protocol.md is the contract

Standard library and the user's own pytest (7 or later) only; Python 3.8 or later.
"""
