"""The tests that were collected, as the agent and its planner want to know them."""

import pytest

from . import benchmark, compat, frames, limits, lookers

_FRAME_BYTES = 1024 * 1024


def id_of(item):
    """The id of a test as bytes, as it travels."""
    return item.nodeid.replace("\0", "\\x00").encode("utf-8", "backslashreplace")


def send(connection, items, together):
    """MANIFEST, in as many frames as it takes. together: tests that are one group if they have no other."""
    parts = _parts(_row(id_of(item), *_facts(item, item in together)) for item in items)
    for number, chunk in enumerate(parts, 1):
        last = 1 if number == len(parts) else 0
        connection.send(frames.frame(frames.MANIFEST, len(chunk), last, b"".join(chunk)))


def found_frames(found):
    """FOUND, in as many frames as it takes, or none; found: (k, item)."""
    if not found:
        return []
    rows = (_row(id_of(item), str(k), *facts_of(item)) for k, item in found)
    return [frames.frame(frames.FOUND, len(chunk), 0, b"".join(chunk)) for chunk in _parts(rows)]


def _row(name, *facts):
    return b"\0".join([name] + [fact.encode("utf-8", "backslashreplace") for fact in facts]) + b"\0"


def _parts(rows):
    """Lists of rows that fit into a frame each; the last one may be empty."""
    chunk, size, parts = [], 0, []
    for row in rows:
        chunk.append(row)
        size += len(row)
        if size >= _FRAME_BYTES:
            parts.append(chunk)
            chunk, size = [], 0
    parts.append(chunk)
    return parts


def _facts(item, together):
    group, flags = facts_of(item)
    return (group or lookers.GROUP if together else group), flags


def facts_of(item):
    """(group, flags): of a test, or of what stands for one that is not collected yet."""
    return getattr(item, "makespan_facts", None) or (compat.group_of(item), flags_of(item))


def by_id(items):
    """(id, k) -> item, for a process that may have collected in another order than the agent knows."""
    found, seen = {}, {}
    for item in items:
        name = id_of(item)
        k = seen[name] = seen.get(name, -1) + 1
        found[name, k] = item
    return found


def flags_of(item):
    """The marks that the planner knows, as MANIFEST wants them."""
    flags = []
    limit = limits.flag_of(item)
    if limit is not None:
        flags.append(limit)
    if item.get_closest_marker("forked") is not None:
        flags.append("forked")
    wanted = _wanted(item)
    serial = wanted.get("serial") or benchmark.measures(item)
    if serial not in (None, False, True, "machine", "run"):
        raise pytest.UsageError("makespan(serial=%r): True or 'machine', or 'run' for the whole run alone" % (serial,))
    if serial:
        flags.append("serial=run" if serial == "run" else "serial")
    if wanted.get("no_speculate"):
        flags.append("no_speculate")
    for name, number in (("threads", wanted.get("threads")), ("mem", _bytes(wanted.get("mem")))):
        if number:
            flags.append("%s=%d" % (name, number))
    if wanted.get("mutex"):
        flags.append("mutex=%s" % str(wanted["mutex"]).replace(",", "_").replace("\0", "_"))
    return ",".join(flags)


def _wanted(item):
    """What the marks `makespan` of the test, its class and its module say; the nearest wins."""
    wanted = {}
    for mark in reversed(list(item.iter_markers("makespan"))):
        wanted.update((name, True) for name in mark.args)
        wanted.update(mark.kwargs)
    return wanted


def _bytes(size):
    """2_000_000, "2GiB", "500MB" as bytes; None for nothing."""
    if not size or isinstance(size, (int, float)):
        return int(size) if size else None
    units = {"": 1, "B": 1, "K": 1024, "KB": 1000, "KIB": 1024, "M": 1024 ** 2, "MB": 1000 ** 2,
             "MIB": 1024 ** 2, "G": 1024 ** 3, "GB": 1000 ** 3, "GIB": 1024 ** 3}
    digits = size.strip().rstrip("BKMGIbkmgi ")
    unit = size.strip()[len(digits):].strip().upper()
    if unit not in units:
        raise pytest.UsageError("makespan(mem=%r): use for example '500MiB' or '2GiB'" % size)
    return int(float(digits) * units[unit])
