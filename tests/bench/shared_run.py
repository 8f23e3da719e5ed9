"""shared_run - real suites on two agents of one worker each: how near the makespan is to its bound.

    MAKESPAN_BUILD=build/release /usr/bin/python3 tests/bench/shared_run.py [--rounds N] [SUITE...]

For each suite a coordinator of its own. One agent alone records the durations, without anybody else
on the machine; then two agents run it N times with that history. Two figures per run:

  ratio       makespan / lower bound, both measured in that run
  experience  start of the jobs to the verdict / (collection alone + lower bound from the durations
              recorded alone): everything that a user waits for, against what cannot be saved

Prints a Markdown table: medians over the rounds, and where the time above the bound went. Two
agents share what one had for itself, so on a machine whose processors slow one another down the
experience holds that, too: the column `slowed` is the work of the shared run over that of the
recorded one.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

# What Debian's packages bring with their tests; each takes half a minute or so alone.
SUITES = {
    "networkx": ["--pyargs", "networkx"],
    "scipy.signal": ["--pyargs", "scipy.signal"],
    "scipy.ndimage, .spatial": ["--pyargs", "scipy.ndimage", "scipy.spatial"],
    "scipy.integrate, .interpolate": ["--pyargs", "scipy.integrate", "scipy.interpolate"],
}


class Bench:
    def __init__(self, folder, words):
        self.folder = folder
        self.command = [harness.PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
        self.coordinator = harness.Coordinator(folder / "data")

    def close(self):
        self.coordinator.end()

    def makespan(self, *words):
        return harness.Process("makespan", [harness.MAKESPAN, *words],
                               harness.clean_environ(**self.coordinator.environ()), self.folder)

    def run(self, key, agents):
        """(seconds from the start of the jobs to the verdict, the verdict)."""
        began = time.monotonic()
        jobs = [self.makespan("run", "-n", "1", "--run-key", key, "--index", str(index), "--total", str(agents),
                              "--", *self.command) for index in range(agents)]
        statuses = [job.wait(1200) for job in jobs]
        took = time.monotonic() - began
        path = self.folder / "verdict.json"
        asked = subprocess.run([harness.MAKESPAN, "verdict", "--run-key", key, "--output", "json"],
                               env=harness.clean_environ(**self.coordinator.environ()), cwd=self.folder,
                               capture_output=True, text=True, timeout=120)
        path.write_text(asked.stdout)
        verdict = harness.json.loads(asked.stdout)
        if not verdict["complete"]:
            sys.exit(f"{key} is not complete: {statuses}\n{jobs[0].output[-2000:]}")
        return took, verdict

    def collection(self):
        began = time.monotonic()
        subprocess.run([*self.command, "--collect-only"], env=harness.clean_environ(), cwd=self.folder,
                       stdout=subprocess.DEVNULL, timeout=1200)
        return time.monotonic() - began


def bench(name, words, rounds):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="makespan-bench-"))
    suite = Bench(folder, words)
    try:
        _, alone = suite.run("alone", 1)
        collection = min(suite.collection() for _ in range(2))
        runs = [suite.run(f"two-{number}", 2) for number in range(rounds)]
    finally:
        suite.close()
        shutil.rmtree(folder, ignore_errors=True)
    if any("floor" in verdict for _, verdict in runs):
        sys.exit(f"{name}: one test is the lower bound; choose a suite that can be shared")
    bound = alone["work_us"] / 2 / 1e6
    ratios = [verdict["makespan_us"] / verdict["bound_us"] for _, verdict in runs]
    experiences = [took / (collection + bound) for took, _ in runs]
    slowed = [verdict["work_us"] / alone["work_us"] for _, verdict in runs]
    parts = {part: statistics.median(verdict["drift_us"].get(part, 0) for _, verdict in runs) / 1e6
             for part in runs[0][1]["drift_us"]}
    lost = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in
                     sorted(parts.items(), key=lambda item: -item[1]) if seconds >= 0.01)
    print(f"| {name} | {alone['total']} | {alone['work_us'] / 1e6:.1f} | {collection:.1f} | "
          f"{statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f}) | "
          f"{statistics.median(experiences):.3f} ({min(experiences):.3f}-{max(experiences):.3f}) | "
          f"{statistics.median(slowed):.2f} | {lost} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("suites", nargs="*", default=list(SUITES))
    options = parser.parse_args()
    print("| suite | tests | work alone, s | collection, s | ratio | experience | slowed | above the bound |\n"
          "|---|---|---|---|---|---|---|---|")
    for name in options.suites:
        bench(name, SUITES[name], options.rounds)


if __name__ == "__main__":
    main()
