#!/usr/bin/python3
"""What --sharded-collection saves on networkx: CPU seconds of one machine, collection and all else but the tests.

    tests/bench/sharded_collection.py [--repeat N] [--shared]     MAKESPAN_BUILD names the build

The tests themselves are not run: in a static split they end at once, in a shared run (--shared) they sleep a
tenth of what a recorded run took, so that machines get the files that they would get. Runs with and without
the option alternate; bytecode is not cached, as in a fresh checkout of a CI.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import harness  # noqa: E402

TENTH = 0.1
INSTEAD = '''
import json, os, time
seconds = json.load(open(os.environ["SECONDS"])) if "SECONDS" in os.environ else {}
def pytest_runtest_protocol(item, nextitem):
    time.sleep(seconds.get(item.nodeid, 0))
    return True
'''


def recorded():
    """{id: seconds} of tests/data/traces/networkx.txt, a tenth of each."""
    found, path, scope = {}, "", ""
    for line in (harness.ROOT / "tests/data/traces/networkx.txt").read_text().splitlines():
        kind, _first, last, *name = line.split(" ", 3)
        if kind == "F":
            path, scope = name[0], ""
        elif kind == "S":
            scope = name[0] + "::" if name and name[0] else ""
        elif kind == "T":
            found[f"{path}::{scope}{name[0]}"] = int(last) / 1e6 * TENTH
    return found


class Bench:
    def __init__(self, folder):
        self.folder = folder
        (folder / "instead.py").write_text(INSTEAD)
        (folder / "seconds.json").write_text(json.dumps(recorded()))
        self.command = [harness.PYTHON, "-m", "pytest", "-p", "instead", "-q", "-p", "no:cacheprovider",
                        "--pyargs", "networkx"]

    def environ(self, machine, **more):
        return harness.clean_environ(PYTHONPATH=self.folder, XDG_CACHE_HOME=self.folder / f"cache{machine}", **more)

    def words(self, index, total, sharded):
        return [harness.MAKESPAN, "run", "-n", "2", "--index", str(index), "--total", str(total),
                *(["--sharded-collection"] if sharded else [])]

    def static(self, total, sharded):
        """CPU seconds of the first machine of a static split."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*map(str, self.words(0, total, sharded)), "--", *self.command], env=self.environ(0),
                       cwd=self.folder, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def shared(self, coordinator, key, total, sharded):
        """CPU seconds of a machine of a shared run, on the average."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        machines = [subprocess.Popen(
            [*map(str, self.words(index, total, sharded)), "--project", "bench", "--run-key", key, "--", *self.command],
            env=self.environ(index, SECONDS=self.folder / "seconds.json", **coordinator.environ()), cwd=self.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for index in range(total)]
        statuses = [machine.wait() for machine in machines]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if any(statuses):
            sys.exit(f"statuses {statuses}")
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--shared", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench, coordinator = Bench(pathlib.Path(folder)), None
        if options.shared:
            coordinator = harness.Coordinator(bench.folder / "data")
            subprocess.run([harness.MAKESPAN, "durations", "import", bench.folder / "seconds.json", "--project", "bench"],
                           env=harness.clean_environ(**coordinator.environ()), check=True)
            bench.shared(coordinator, "records", 4, True)
        print("| machines | without | with | ratio |\n| --- | --- | --- | --- |")
        for total in (2, 4):
            took = {False: [], True: []}
            for number in range(options.repeat):
                for sharded in took:
                    took[sharded].append(
                        bench.shared(coordinator, f"{total}-{number}-{sharded}", total, sharded) if options.shared
                        else bench.static(total, sharded))
            best = {sharded: min(seconds) for sharded, seconds in took.items()}
            print(f"| {total} | {best[False]:.2f} s | {best[True]:.2f} s | {best[True] / best[False]:.2f} |", flush=True)
        if coordinator:
            coordinator.end()


if __name__ == "__main__":
    main()
