"""Record what a suite's tests and fixtures take, for plan_sim (tests/data/traces).

    python3 record.py run OUT.json PYTEST-ARGS...     one run (again for the second)
    python3 record.py merge RUN1.json RUN2.json "origin of the suite" > trace.txt

A test's time is set-up + call + teardown, with the set-ups of its file and class if it was their
first test; these are recorded apart as well, without what they cause further out.
"""

import json
import sys
import time


class Recorder:
    def __init__(self):
        self.tests = {}
        self.collect = {}
        self.setups = {}
        self.inner = []  # time spent in fixtures that a running fixture asked for

    def pytest_runtest_logreport(self, report):
        self.tests[report.nodeid] = self.tests.get(report.nodeid, 0.0) + report.duration

    def note_setup(self, fixturedef, request, seconds):
        if fixturedef.scope in ("module", "class"):
            node = request.node.nodeid
            total, names = self.setups.setdefault(node, [0.0, []])
            if fixturedef.argname not in names:
                self.setups[node] = [total + seconds, names + [fixturedef.argname]]


def make_plugin(recorder):
    import pytest

    class Hooks:
        def pytest_runtest_logreport(self, report):
            recorder.pytest_runtest_logreport(report)

        @pytest.hookimpl(hookwrapper=True)
        def pytest_make_collect_report(self, collector):
            start = time.perf_counter()
            yield
            if collector.nodeid.endswith(".py"):
                recorder.collect[collector.nodeid] = time.perf_counter() - start

        @pytest.hookimpl(hookwrapper=True)
        def pytest_fixture_setup(self, fixturedef, request):
            start = time.perf_counter()
            recorder.inner.append(0.0)
            yield
            whole = time.perf_counter() - start
            seconds = whole - recorder.inner.pop()
            if recorder.inner:
                recorder.inner[-1] += whole
            recorder.note_setup(fixturedef, request, seconds)

    return Hooks()


def run(out, args):
    import pytest

    recorder = Recorder()
    code = pytest.main(args, plugins=[make_plugin(recorder)])
    with open(out, "w") as f:
        json.dump({"tests": recorder.tests, "collect": recorder.collect,
                   "setups": {k: v[0] for k, v in recorder.setups.items()}}, f)
    return int(code)


def parts_of(nodeid):
    """The parts between "::", but not those inside [...]."""
    head, bracket, rest = nodeid.partition("[")
    parts = head.split("::")
    parts[-1] += bracket + rest
    return parts


def microseconds(seconds):
    return max(0, round(seconds * 1e6))


def merge(first, second, origin):
    runs = [json.load(open(path)) for path in (first, second)]
    print("# " + origin)
    print("# recorded twice with record.py; microseconds, runs 1 and 2")
    print("# file: F <collection> <path>   scope below it: S <set-up> <name>")
    print("# test: T <us; set-ups of its scopes included where it was the first> <name>")
    file = scope = None
    for nodeid in runs[0]["tests"]:
        if nodeid not in runs[1]["tests"]:
            continue
        path, *scopes, name = parts_of(nodeid)
        if path != file:
            file, scope = path, ""
            print("F", *(microseconds(r["collect"].get(path, 0)) for r in runs), path)
            if any(path in r["setups"] for r in runs):
                print("S", *(microseconds(r["setups"].get(path, 0)) for r in runs), "")
        if "::".join(scopes) != scope:
            scope = "::".join(scopes)
            node = "::".join([path] + scopes)
            print("S", *(microseconds(r["setups"].get(node, 0)) for r in runs), scope)
        print("T", *(microseconds(r["tests"][nodeid]) for r in runs), name.replace("\n", " "))


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] == "run":
        sys.exit(run(sys.argv[2], sys.argv[3:]))
    if len(sys.argv) == 5 and sys.argv[1] == "merge":
        merge(*sys.argv[2:])
    else:
        sys.exit(__doc__)
