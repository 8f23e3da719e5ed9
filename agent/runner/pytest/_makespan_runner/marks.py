"""What @pytest.mark.makespan asks for, on a test, its class and its module together.

A word that nobody knows, or a value that makes no sense, is a usage error: ignored, it would show only when
tests meet that must not.
"""

import pytest

_UNITS = {"": 1, "B": 1, "K": 1024, "KB": 1000, "KIB": 1024, "M": 1024 ** 2, "MB": 1000 ** 2,
          "MIB": 1024 ** 2, "G": 1024 ** 3, "GB": 1000 ** 3, "GIB": 1024 ** 3}
_WORDS = ("serial", "threads", "mem", "mutex", "no_speculate", "timeout")


def of(item):
    """{word: value}; the nearest mark wins."""
    wanted = {}
    for mark in reversed(list(item.iter_markers("makespan"))):
        wanted.update((name, True) for name in mark.args)
        wanted.update(mark.kwargs)
    for word in wanted:
        if word not in _WORDS:
            _refuse(item, word, wanted[word], "the words are " + ", ".join(_WORDS))
    return wanted


def serial_of(item, wanted):
    """None, "machine" or "run"."""
    serial = wanted.get("serial")
    if serial not in (None, False, True, "machine", "run"):
        _refuse(item, "serial", serial, "True or 'machine', or 'run' for the whole run alone")
    return "machine" if serial is True else serial or None


def threads_of(item, wanted):
    threads = _said(wanted, "threads")
    if threads is not None and (type(threads) is not int or threads < 1):
        _refuse(item, "threads", threads, "how many CPUs it takes, 1 or more")
    return threads


def bytes_of(item, wanted):
    """Of mem: 2_000_000, "2GiB", "500MB"; None for nothing."""
    size = _said(wanted, "mem")
    if size is None:
        return None
    text = str(size).strip().upper()
    digits = text.rstrip("BKMGI ")
    try:
        count = float(digits) * _UNITS[text[len(digits):].strip()]
    except (KeyError, ValueError):
        count = -1
    if not 0 <= count < 1 << 60:
        _refuse(item, "mem", size, "for example '500MiB' or '2GiB'")
    return int(count)


def _said(wanted, word):
    """None for False, too: as in mem=IS_LARGE and "2GiB"."""
    value = wanted.get(word)
    return None if value is False else value


def _refuse(item, word, value, wanted):
    raise pytest.UsageError("%s: makespan(%s=%r): %s" % (item.nodeid, word, value, wanted))
