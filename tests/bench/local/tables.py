"""The tables of what the bench has measured. A row whose one side is missing is left out."""

import math

import plan


def show(suites, workers, figures):
    for kind, more in ((plan.WARM, ""), (plan.COLD, ", cold")):
        for number in workers:
            compared(suites, number, figures, kind, more)
    one_worker(suites, figures)
    memory(suites, workers, figures)


def best_mode(figures, kind, suite, number):
    """The fastest of xdist's modes that were run; None if none was."""
    ran = ["%s %d" % (mode, number) for mode in plan.MODES if (kind, suite.name, "%s %d" % (mode, number)) in figures]
    return min(ran, key=lambda who: figures[kind, suite.name, who]["wall"], default=None)


def compared(suites, number, figures, kind, more):
    rows, walls, cpus = [], [], []
    for suite in suites:
        mode = best_mode(figures, kind, suite, number)
        for who in ("makespan %d" % number, "makespan auto"):
            ours = figures.get((kind, suite.name, who))
            if mode is None or ours is None:
                continue
            theirs = figures[kind, suite.name, mode]
            wall, cpu = ours["wall"] / theirs["wall"], ours["cpu"] / theirs["cpu"]
            rows.append("| %s | %s | %.2f | %.2f | **%.2f** | %.2f | %.2f | **%.2f** |" % (
                suite.name + (", `-n auto`" if who.endswith("auto") else ""), mode.split()[0],
                theirs["wall"], ours["wall"], wall, theirs["cpu"], ours["cpu"], cpu))
            if suite.computes:
                walls.append(wall)
                cpus.append(cpu)
    if rows:
        print("\n## %d workers%s\n" % (number, more))
        print("| suite | best xdist | xdist s | makespan s | wall | CPU xdist | CPU makespan | CPU |")
        print("|---|---|---|---|---|---|---|---|")
        print("\n".join(rows))
        print("\nGeometric mean of the %d that compute: wall %.2f, CPU %.2f." % (
            len(walls), mean(walls), mean(cpus)))


def one_worker(suites, figures):
    rows = []
    for suite in suites:
        serial, one, frozen = (figures.get((plan.WARM, suite.name, who))
                               for who in ("serial", "makespan 1", "frozen"))
        if serial is not None and one is not None:
            rows.append("| %s | %.2f | %.2f | **%.2f** | %.2f | %s |" % (
                suite.name, serial["wall"], one["wall"], one["wall"] / serial["wall"],
                one["cpu"] / serial["cpu"],
                "%.2f (%.2f)" % (frozen["wall"], frozen["wall"] / serial["wall"]) if frozen else "–"))
    if rows:
        print("\n## One worker against serial pytest\n")
        print("| suite | serial s | one worker s | wall | CPU | serial, frozen s |")
        print("|---|---|---|---|---|---|")
        print("\n".join(rows))


def memory(suites, workers, figures):
    rows = []
    for suite in suites:
        for number in workers:
            mode = best_mode(figures, plan.MEMORY, suite, number)
            ours, every = (figures.get((plan.MEMORY, suite.name, "%s %d" % (who, number)))
                           for who in ("makespan", "all"))
            if mode is None or ours is None or every is None:
                continue
            theirs = figures[plan.MEMORY, suite.name, mode]
            rows.append("| %s | %d | %.0f | %.0f | **%.2f** | %.0f | %.2f |" % (
                suite.name, number, theirs["pss_mb"], ours["pss_mb"], ours["pss_mb"] / theirs["pss_mb"],
                every["pss_mb"], every["pss_mb"] / theirs["pss_mb"]))
    if rows:
        print("\n## Memory: the peak of the summed proportional sizes\n")
        print("| suite | workers | xdist MB | makespan MB | ratio | all at work, MB | ratio |")
        print("|---|---|---|---|---|---|---|")
        print("\n".join(rows))


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else float("nan")
