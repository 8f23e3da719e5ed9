"""Dealing out files to machines that do not talk to each other: the same on each of them."""

import hashlib
import json
import os


def share(costs_us, index, total):
    """The files of machine index: the longest first, each to whom has least. Pure; ties by name and number."""
    loads = [0] * total
    mine = set()
    for name in sorted(costs_us, key=lambda name: (-costs_us[name], name)):
        least = loads.index(min(loads))
        loads[least] += costs_us[name]
        if least == index:
            mine.add(name)
    return mine


def digest(costs_us):
    """Of what is dealt out. Machines that show different ones lose tests, or run some twice."""
    return hashlib.sha256(repr(sorted(costs_us.items())).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def costs_us(names, root, durations):
    """What each file takes: recorded seconds, or else its share of them by its size."""
    seconds = {}
    for nodeid, took in _read_durations(durations):
        name = nodeid.partition("::")[0].replace("/", os.sep)
        seconds[name] = seconds.get(name, 0.0) + max(0.0, took)
    sizes = {name: os.path.getsize(os.path.join(root, name)) + 1 for name in names}
    costs = {name: int(seconds[name] * 1e6) + 1 for name in names if name in seconds}
    known_us, known_size = sum(costs.values()), sum(sizes[name] for name in costs)
    for name in names:
        size = sizes[name]
        costs.setdefault(name, size * known_us // known_size + 1 if known_us else size)
    return costs


def _read_durations(path):
    """(id, seconds) of pytest-split's file; nothing if there is none. (The agent has checked it.)"""
    if not path:
        return []
    with open(path, encoding="utf-8") as stream:
        told = json.load(stream)
    return told.items() if isinstance(told, dict) else [tuple(pair) for pair in told]
