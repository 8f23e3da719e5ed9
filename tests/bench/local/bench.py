#!/usr/bin/python3
"""Makespan beside serial pytest and the best mode of the installed pytest-xdist, on real suites.

    suites.py FOLDER                                      once: brings the suites there
    bench.py FOLDER --makespan build/release/agent/makespan > table

Whole processes, interleaved: in every round each suite is run by everybody in turn. In the first
round xdist runs in each of its modes; later ones repeat only its best. The figure of a
configuration is its least wall and its least CPU over all rounds, which is what other load on the
machine disturbs least, for them as for us.
"""

import argparse
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import measure
import suites

MODES = ["load", "loadscope", "loadfile", "worksteal"]
QUIET = ["-q", "--tb=short"]


class Bench:
    def __init__(self, options):
        self.options = options
        self.root = pathlib.Path(options.folder).resolve()
        self.cache = str(self.root / "cache")  # durations of earlier runs, as in everyday use
        self.deadline = time.monotonic() + options.minutes * 60
        self.took = {}  # by suite: seconds of its last round
        self.best = {}  # (suite, configuration) -> Cost of least wall and least CPU
        self.runs = {}
        self.modes = modes_of(options.python)

    def environment(self, suite):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("PYTEST", "PYTHON", "MAKESPAN"))}
        kept["PYTHONPATH"] = suite.python_path(self.root)
        kept["XDG_CACHE_HOME"] = self.cache
        if self.options.cold:
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
        return pytest + ["-n", number, "--dist", tool] + arguments

    def run(self, suite, who, memory=False, more=()):
        environment = self.environment(suite)
        if who == "frozen":
            environment["PYTHONPATH"] += ":" + str(pathlib.Path(__file__).parent / "plugins")
        cost = measure.run(self.command(suite, who, more), suite.where(self.root), environment,
                           memory)
        cost.outcome = outcome_of(cost.text)
        print("%-11s %-12s wall %6.2f cpu %6.2f %s %s" % (
            suite.name, who, cost.wall, cost.cpu,
            "pss %d MB" % cost.pss_mb if memory else "", cost.outcome), file=sys.stderr, flush=True)
        return cost

    def keep(self, suite, who, cost):
        best = self.best.setdefault((suite.name, who), cost)
        best.wall = min(best.wall, cost.wall)
        best.cpu = min(best.cpu, cost.cpu)

    def best_mode(self, suite, number):
        """The xdist mode that was fastest so far."""
        rows = [("%s %d" % (mode, number)) for mode in suite.modes or self.modes]
        return min((who for who in rows if (suite.name, who) in self.best),
                   key=lambda who: self.best[suite.name, who].wall)

    def same_outcomes(self, suite):
        """By id, against a serial run; also fills the caches of bytecode and of durations."""
        wanted = self.outcomes(suite, "serial")
        for number in self.options.workers:
            found = self.outcomes(suite, "makespan %d" % number)
            differ = {key for key in wanted.keys() | found.keys()
                      if wanted.get(key) != found.get(key)}
            if differ:
                print("%s: %d outcomes differ with %d workers: %s" % (
                    suite.name, len(differ), number, sorted(differ)[:5]), file=sys.stderr)
        self.outcomes(suite, "%s 2" % self.modes[0])

    def outcomes(self, suite, who):
        with tempfile.NamedTemporaryFile(suffix=".xml") as junit:
            self.run(suite, who, more=["--junitxml", junit.name])
            found = {}
            for case in xml.etree.ElementTree.parse(junit.name).iter("testcase"):
                name = (case.get("classname"), case.get("name"))
                kinds = [child.tag for child in case
                         if child.tag in ("failure", "error", "skipped")]
                found.setdefault(name, []).append(kinds)
        return {name: sorted(kinds) for name, kinds in found.items()}

    def round(self, suite, number):
        numbers = self.options.workers
        if number == 0:
            rows = ["%s %d" % (mode, n) for n in numbers for mode in suite.modes or self.modes]
        else:
            rows = [self.best_mode(suite, n) for n in numbers]
        rows += ["makespan %d" % n for n in numbers]
        single = ["serial", "makespan 1"] + (["frozen"] if self.options.freeze else [])
        rows = rows + single if suite.modes else single + rows  # of a long one, if there is time
        if suite.waits:
            rows.append("makespan auto")
        begin = time.monotonic()
        if begin + self.took.get(suite.name, 0.0) > self.deadline:
            return
        for who in rows:
            if time.monotonic() < self.deadline:
                self.keep(suite, who, self.run(suite, who))
        self.took[suite.name] = time.monotonic() - begin

    def memory(self, suite):
        for number in self.options.workers:
            theirs = self.run(suite, "%s %d" % (self.modes[0], number), memory=True).pss_mb
            ours = self.run(suite, "makespan %d" % number, memory=True).pss_mb
            print("| %s | %d | %.0f | %.0f | %.2f |" % (suite.name, number, theirs, ours,
                                                        ours / theirs), flush=True)

    # The table.

    def is_whole(self, suite):
        """Nobody's figures are missing: the time was not over before."""
        return all((suite.name, "%s %d" % (who, number)) in self.best
                   for number in self.options.workers
                   for who in (suite.modes or self.modes) + ["makespan"])

    def waiting(self, suite, number):
        """-n auto of a suite that waits: it takes more workers than there are CPUs."""
        auto = self.best.get((suite.name, "makespan auto"))
        if auto is not None:
            theirs = self.best[suite.name, self.best_mode(suite, number)]
            print("| %s, `-n auto` | | | %.2f | %.2f | **%.2f** | %.2f | %.2f | **%.2f** |" % (
                suite.name, theirs.wall, auto.wall, auto.wall / theirs.wall, theirs.cpu, auto.cpu,
                auto.cpu / theirs.cpu))

    def table(self, chosen):
        if not chosen:
            return
        for number in self.options.workers:
            print("\n## %d workers\n" % number)
            print("| suite | serial s | best xdist | xdist s | makespan s | wall | CPU xdist |"
                  " CPU makespan | CPU |")
            print("|---|---|---|---|---|---|---|---|---|")
            walls, cpus = [], []
            for suite in chosen:
                mode = self.best_mode(suite, number)
                theirs = self.best[suite.name, mode]
                ours = self.best[suite.name, "makespan %d" % number]
                serial = self.best.get((suite.name, "serial"))
                print("| %s | %s | %s | %.2f | %.2f | **%.2f** | %.2f | %.2f | **%.2f** |" % (
                    suite.name, "%.2f" % serial.wall if serial else "–", mode.split()[0],
                    theirs.wall, ours.wall, ours.wall / theirs.wall, theirs.cpu, ours.cpu,
                    ours.cpu / theirs.cpu))
                if not suite.waits and suite.name != "empty":
                    walls.append(ours.wall / theirs.wall)
                    cpus.append(ours.cpu / theirs.cpu)
            for suite in chosen:
                self.waiting(suite, number)
            print("\nGeometric mean of those that compute: wall %.2f, CPU %.2f." % (
                mean(walls), mean(cpus)))
        print("\n## One worker against serial pytest\n")
        print("| suite | serial s | one worker s | wall | CPU |" + (
            " serial, frozen s |" if self.options.freeze else ""))
        print("|---|---|---|---|---|" + ("---|" if self.options.freeze else ""))
        for suite in chosen:
            serial, one = (self.best.get((suite.name, who)) for who in ("serial", "makespan 1"))
            if serial is None or one is None:
                continue
            frozen = self.best.get((suite.name, "frozen"))
            print("| %s | %.2f | %.2f | **%.2f** | %.2f |%s" % (
                suite.name, serial.wall, one.wall, one.wall / serial.wall, one.cpu / serial.cpu,
                " %.2f |" % frozen.wall if frozen else ""))


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else float("nan")


def modes_of(python):
    """Those modes of --dist that this xdist has."""
    text = subprocess.run([python, "-m", "pytest", "--help"], capture_output=True, text=True,
                          cwd="/").stdout
    known = [mode for mode in MODES if re.search(r"^ +%s: " % mode, text, re.M)]
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=18, help="start nothing that would end"
                        " later")
    parser.add_argument("--workers", type=lambda text: [int(n) for n in text.split(",")],
                        default=[2, 4])
    parser.add_argument("--only", default="", help="suites, with commas between")
    parser.add_argument("--cold", action="store_true", help="as in a fresh checkout: pytest's own"
                        " bytecode of the test files is neither there nor kept")
    parser.add_argument("--freeze", action="store_true", help="also serial pytest that does nothing"
                        " more than gc.freeze() after the collection")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of times")
    parser.add_argument("--no-check", action="store_true", help="leave out comparing outcomes")
    options = parser.parse_args()
    bench = Bench(options)
    only = [name for name in options.only.split(",") if name]
    chosen = [suite for suite in suites.SUITES if not only or suite.name in only]
    if options.cold:
        for compiled in bench.root.rglob("*-pytest-*.pyc"):
            compiled.unlink()
    if not options.no_check:
        for suite in chosen:
            bench.same_outcomes(suite)
    if options.memory:
        for suite in chosen:
            bench.memory(suite)
        return
    for number in range(options.rounds):
        for suite in chosen:
            bench.round(suite, number)
    bench.table([suite for suite in chosen if bench.is_whole(suite)])


if __name__ == "__main__":
    main()
