#!/usr/bin/python3
"""Makespan beside serial pytest and the best mode of the installed pytest-xdist, on real suites.

    suites.py FOLDER                                      once: brings the suites there
    bench.py FOLDER --makespan build/release/agent/makespan --rounds 0     outcomes by id, warm caches
    bench.py FOLDER --makespan build/release/agent/makespan --minutes 22 --keep FILE > tables

Whole processes, interleaved, the most telling first (plan.py); when the time is over nothing more
starts, and the tables hold what was measured. The figure of a configuration is its least wall and
its least CPU over all its runs, which is what other load on the machine disturbs least, for them as
for us.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import measure
import plan
import suites
import tables

QUIET = ["-q", "--tb=short"]


class Bench:
    def __init__(self, options):
        self.options = options
        self.root = pathlib.Path(options.folder).resolve()
        self.cache = str(self.root / "cache")  # durations of earlier runs, as in everyday use
        self.figures = {}  # (kind, suite, who) -> {"wall", "cpu", "pss_mb"}: the least of all runs

    def environment(self, suite, kind):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("PYTEST", "PYTHON", "MAKESPAN"))}
        kept["PYTHONPATH"] = suite.python_path(self.root)
        kept["XDG_CACHE_HOME"] = self.cache
        if kind == plan.COLD:
            kept["PYTHONDONTWRITEBYTECODE"] = "1"
        return kept

    def command(self, suite, who, more=()):
        pytest = [self.options.python, "-m", "pytest"] + QUIET
        arguments = suite.arguments + list(more)
        tool, _, number = who.partition(" ")
        if tool == "serial":
            return pytest + ["-p", "no:xdist"] + arguments
        if tool == "frozen":
            return pytest + ["-p", "no:xdist", "-p", "freeze"] + arguments
        if tool == "makespan":
            return [self.options.makespan, "run", "-n", number, "--"] + pytest + arguments
        if tool == "all":
            return [self.options.makespan, "run", "--all-workers", "-n", number, "--"] + pytest + arguments
        return pytest + ["-n", number, "--dist", tool] + arguments

    def run(self, kind, suite, who, more=()):
        environment = self.environment(suite, kind)
        if who == "frozen":
            environment["PYTHONPATH"] += ":" + str(pathlib.Path(__file__).parent / "plugins")
        aside = bytecode_aside(suite.where(self.root)) if kind == plan.COLD else contextlib.nullcontext()
        with aside:
            cost = measure.run(self.command(suite, who, more), suite.where(self.root), environment,
                               kind == plan.MEMORY)
        print("%-6s %-11s %-12s wall %6.2f cpu %6.2f %s %s" % (
            kind, suite.name, who, cost.wall, cost.cpu,
            "pss %d MB" % cost.pss_mb if cost.pss_mb else "", outcome_of(cost.text)),
            file=sys.stderr, flush=True)
        return cost

    def keep(self, kind, suite, who, cost):
        now = {"wall": cost.wall, "cpu": cost.cpu, "pss_mb": cost.pss_mb}
        before = self.figures.get((kind, suite.name, who), now)
        self.figures[kind, suite.name, who] = {
            name: value if value is None else min(value, before[name]) for name, value in now.items()}
        if self.options.keep:
            pathlib.Path(self.options.keep).write_text(json.dumps(
                [list(key) + [figure] for key, figure in self.figures.items()], indent=1))

    def measure(self, chosen, modes):
        deadline = time.monotonic() + self.options.minutes * 60
        for kind, suite, who in plan.runs(chosen, self.options.workers, modes, self.options.rounds):
            if time.monotonic() > deadline:
                print("bench: the time is over", file=sys.stderr)
                return
            self.keep(kind, suite, who, self.run(kind, suite, who))

    def same_outcomes(self, suite, modes):
        """By id, against a serial run; also fills the caches of bytecode and of durations."""
        wanted = self.outcomes(suite, "serial")
        for number in self.options.workers:
            found = self.outcomes(suite, "makespan %d" % number)
            differ = {key for key in wanted.keys() | found.keys()
                      if wanted.get(key) != found.get(key)}
            if differ:
                print("%s: %d outcomes differ with %d workers: %s" % (
                    suite.name, len(differ), number, sorted(differ)[:5]), file=sys.stderr)
        self.outcomes(suite, "%s 2" % modes[0])

    def outcomes(self, suite, who):
        with tempfile.NamedTemporaryFile(suffix=".xml") as junit:
            self.run(plan.WARM, suite, who, more=["--junitxml", junit.name])
            found = {}
            for case in xml.etree.ElementTree.parse(junit.name).iter("testcase"):
                name = (case.get("classname"), case.get("name"))
                kinds = [child.tag for child in case
                         if child.tag in ("failure", "error", "skipped")]
                found.setdefault(name, []).append(kinds)
        return {name: sorted(kinds) for name, kinds in found.items()}


@contextlib.contextmanager
def bytecode_aside(folder):
    """While this lasts, pytest's own bytecode of the test files is not there."""
    moved = [(path, path.with_suffix(".aside")) for path in folder.rglob("*-pytest-*.pyc")]
    for path, aside in moved:
        path.rename(aside)
    try:
        yield
    finally:
        for path, aside in moved:
            aside.rename(path)


def modes_of(python):
    """Those modes of --dist that this xdist has."""
    text = subprocess.run([python, "-m", "pytest", "--help"], capture_output=True, text=True,
                          cwd="/").stdout
    known = [mode for mode in plan.MODES if re.search(r"^ +%s: " % mode, text, re.M)]
    if not known:
        sys.exit("bench: %s has no pytest-xdist" % python)
    return known


def outcome_of(text):
    """'12 passed, 1 skipped' of the last line."""
    lines = [line for line in text.strip().splitlines() if re.search(r" in [\d.]+s", line)]
    found = re.findall(r"\d+ (?:passed|failed|skipped|errors?|xfailed|xpassed)", lines[-1]
                       ) if lines else []
    return ", ".join(found) or "no summary: " + text.strip()[-200:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="where suites.py has put the suites")
    parser.add_argument("--makespan", required=True, type=os.path.abspath)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--rounds", type=int, default=2, help="of the main rows; 0: outcomes only, by id")
    parser.add_argument("--minutes", type=float, default=22, help="then nothing more starts")
    parser.add_argument("--workers", type=lambda text: [int(n) for n in text.split(",")],
                        default=[2, 4])
    parser.add_argument("--only", default="", help="suites, with commas between")
    parser.add_argument("--keep", help="a file for all figures, written after each run")
    parser.add_argument("--tables", action="store_true", help="print those of the file, run nothing")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    chosen = [suite for suite in suites.SUITES if not only or suite.name in only]
    bench = Bench(options)
    if options.keep and os.path.exists(options.keep):  # a second call adds to the first
        bench.figures = {tuple(row[:3]): row[3] for row in json.loads(pathlib.Path(options.keep).read_text())}
    if not options.tables:
        modes = modes_of(options.python)
        if options.rounds:
            bench.measure(chosen, modes)
        else:
            for suite in chosen:
                bench.same_outcomes(suite, modes)
    tables.show(chosen, options.workers, bench.figures)


if __name__ == "__main__":
    main()
