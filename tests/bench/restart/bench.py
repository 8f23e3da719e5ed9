#!/usr/bin/python3
"""How long a machine is without a worker: from the kill of one to the first test of its successor.

    tests/bench/restart/bench.py [--kills 20] [--workers 2] [--build build/release] [-- PYTEST ARGS]

Runs networkx' own tests (Debian's python3-networkx) unless other arguments for pytest are given, kills a
random worker again and again, and prints medians. The marks come from a plugin in every worker
(marks.py beside this file): when it was forked, and when its first test began. Two figures:

    kill to first test   from SIGKILL to the first test of the worker that takes the place
    fork to first test   at the start: from the last worker's fork to the first test of any
"""

import argparse
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"


def marks(path):
    """{pid: (forked, first test)} in seconds of the monotonic clock."""
    found = {}
    for line in path.read_text().splitlines():
        pid, forked, began = line.split()
        found[int(pid)] = (float(forked), float(began))
    return found


def kill_workers(agent, path, kills):
    """[seconds from kill to the first test of a worker that was not there]"""
    chance, dead, took = random.Random(1), set(), []
    while len(took) < kills and agent.poll() is None:
        alive = sorted(set(marks(path)) - dead)
        if not alive:
            time.sleep(0.05)
            continue
        victim = chance.choice(alive)
        before = set(marks(path))
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            dead.add(victim)
            continue
        at = time.monotonic()
        dead.add(victim)
        while agent.poll() is None and time.monotonic() - at < 30:
            fresh = [began for pid, (_, began) in marks(path).items() if pid not in before]
            if fresh:
                took.append(min(fresh) - at)
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0.2, 0.5))
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("args", nargs="*", help="for pytest, in place of networkx")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="makespan-bench-") as folder:
        path = pathlib.Path(folder) / "marks"
        path.touch()
        environ = {**os.environ, "PYTHONPATH": str(HERE), "RESTART_MARKS": str(path),
                   "XDG_CACHE_HOME": folder}
        args = options.args or ["--pyargs", "networkx"]
        agent = subprocess.Popen(
            [pathlib.Path(options.build).resolve() / "agent" / "makespan", "run", "-n",
             str(options.workers), "--", PYTHON, "-m", "pytest", "-q", "-p", "marks", "-p",
             "no:cacheprovider", "--max-worker-restart", "1000", *args],
            env=environ, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while len(marks(path)) < options.workers and agent.poll() is None:
                time.sleep(0.01)
            first = marks(path).values()
            ready = min(began for _, began in first) - max(forked for forked, _ in first)
            took = kill_workers(agent, path, options.kills)
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait()
    if not took:
        sys.exit("no worker was replaced: did the run start?")
    print(f"fork to first test: {ready * 1e3:.1f} ms")
    print(f"kill to first test: median {statistics.median(took) * 1e3:.1f} ms, "
          f"{min(took) * 1e3:.1f} to {max(took) * 1e3:.1f} ms, {len(took)} kills")


if __name__ == "__main__":
    main()
