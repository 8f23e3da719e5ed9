"""The tests that were collected, as the agent and its planner want to know them."""

from _pytest.nodes import Node

from . import benchmark, compat, frames, limits, lookers, marks

_FRAME_BYTES = 1024 * 1024
_MARKS_THAT_TELL = {"makespan", "forked", "timeout", "xdist_group"}


def id_of(item):
    """The id of a test as bytes, as it travels."""
    return item.nodeid.replace("\0", "\\x00").encode("utf-8", "backslashreplace")


def send(connection, items, together):
    """MANIFEST, in as many frames as it takes. together: tests that are one group if they have no other."""
    plain = Plain(items[0].config) if items else None
    parts = _parts(id_of(item) + _NOTHING_TO_TELL if plain.is_one(item) and not (together and item in together)
                   else _row(id_of(item), *_facts(item, item in together)) for item in items)
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


_NOTHING_TO_TELL = _row(b"", "", "")  # behind an id: neither a group nor flags


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


class Plain:
    """Knows tests that have nothing to tell: most of them, and without looking for each mark by itself."""

    def __init__(self, config):
        self._limited = config.pluginmanager.hasplugin("timeout")  # which may limit any test
        self._silent = {None: True}  # a class, module or folder -> whether no mark there tells anything

    def is_one(self, item):
        kind = type(item)
        return (not self._limited
                and kind.iter_markers is Node.iter_markers
                and kind.get_closest_marker is Node.get_closest_marker
                and kind.iter_markers_with_node is Node.iter_markers_with_node
                and not hasattr(item, "makespan_facts") and not benchmark.measures(item)
                and _tells_nothing(item) and self._is_silent(item.parent))

    def _is_silent(self, node):
        known = self._silent.get(node)
        if known is None:
            known = self._silent[node] = _tells_nothing(node) and self._is_silent(node.parent)
        return known


def _tells_nothing(node):
    return _MARKS_THAT_TELL.isdisjoint([getattr(mark, "name", None) for mark in node.own_markers])


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
    wanted = marks.of(item)
    limit = limits.flag_of(item, wanted)
    if limit is not None:
        flags.append(limit)
    if item.get_closest_marker("forked") is not None:
        flags.append("forked")
    serial = marks.serial_of(item, wanted) or benchmark.measures(item)
    if serial:
        flags.append("serial=run" if serial == "run" else "serial")
    if wanted.get("no_speculate"):
        flags.append("no_speculate")
    for name, number in (("threads", marks.threads_of(item, wanted)), ("mem", marks.bytes_of(item, wanted))):
        if number:
            flags.append("%s=%d" % (name, number))
    if wanted.get("mutex"):
        flags.append("mutex=%s" % str(wanted["mutex"]).replace(",", "_").replace("\0", "_"))
    return ",".join(flags)
