"""The options of pytest-xdist (and of pytest-forked where that is absent): declared, read, explained.

docs/workers.md has the list for users.
"""

import os

import pytest

_THREADS_AUTO = 16
_THREADS_MAX = 64


def numprocesses(text):
    """The type of -n: a number, "auto" or "logical"."""
    return text if text in ("auto", "logical") else int(text)


def _declared(parser):
    """The options that there are: argparse would complain of a second one only when it parses."""
    return {name for group in [parser._anonymous, *parser._groups]
            for option in group.options for name in option.names()}


def add_options(parser):
    """Declare xdist's options; one that somebody else has declared stays theirs."""
    group = parser.getgroup("makespan", "tests in several workers (options of pytest-xdist)")

    declared = _declared(parser)

    def add(*names, **attributes):
        if declared.isdisjoint(names):
            group._addoption(*names, **attributes)

    add("-n", "--numprocesses", dest="numprocesses", metavar="N", type=numprocesses, default=None,
        help="number of workers, 'auto' or 'logical'; makespan's own -n wins over this one.")
    add("--maxprocesses", dest="maxprocesses", metavar="N", type=int, default=None,
        help="at most so many workers for -n auto.")
    add("--max-worker-restart", dest="maxworkerrestart", metavar="N", default=None,
        help="give up after so many workers were lost.")
    add("--dist", dest="dist", metavar="MODE", default="no",
        choices=["each", "load", "loadscope", "loadfile", "loadgroup", "worksteal", "auto", "no"],
        help="what stays together in one worker: a class or module (loadscope), a file, a group, or"
        " what it pays to keep together (load, auto); each: every worker runs everything.")
    add("-d", dest="distload", action="store_true", default=False, help="the same as --dist=load.")
    add("--tx", dest="tx", action="append", metavar="SPEC", default=[],
        help="popen and N*popen count as -n; other machines join by 'makespan run'.")
    add("--testrunuid", dest="testrunuid", metavar="ID", default=None,
        help="value of the testrun_uid fixture.")
    add("-f", "--looponfail", dest="looponfail", action="store_true", default=False,
        help="see 'makespan watch'.")
    add("--loadscope-reorder", dest="loadscopereorder", action="store_true", default=True,
        help="accepted: the order follows recorded times.")
    add("--no-loadscope-reorder", dest="loadscopereorder", action="store_false",
        help="accepted: the order follows recorded times.")
    add("--tests-per-worker", dest="tests_per_worker", metavar="K", default=None,
        help="tests that a worker runs at a time, in threads (pytest-parallel's option); makespan's"
        " own --tests-per-worker wins.")
    for name, attributes in _IDLE.items():
        add(name, **attributes, help="accepted, without effect: %s." % _WHY_IDLE[name])
    if "tests_per_worker" not in parser._inidict:
        parser.addini("tests_per_worker", "as --tests-per-worker.", default="")
    for name in ("rsyncdirs", "rsyncignore", "looponfailroots"):
        try:
            parser.addini(name, "accepted, without effect.", type="paths")
        except (ValueError, AssertionError):
            pass


# Options that do nothing here, and why.
_IDLE = {
    "--maxschedchunk": {"dest": "maxschedchunk", "metavar": "N", "type": int, "default": None},
    "--ramp": {"dest": "ramp", "metavar": "DURATION", "default": None},
    "--px": {"dest": "px", "action": "append", "metavar": "SPEC", "default": []},
    "--rsyncdir": {"dest": "rsyncdir", "action": "append", "metavar": "DIR", "default": []},
    "--rsyncignore": {"dest": "rsyncignore", "action": "append", "metavar": "GLOB", "default": []},
}
_WHY_IDLE = {
    "--maxschedchunk": "a worker is given one test at a time",
    "--ramp": "workers are forks, and start at once",
    "--px": "workers are forks on this machine; other machines join by themselves",
    "--rsyncdir": "workers are forks and see the same files",
    "--rsyncignore": "workers are forks and see the same files",
}


def explain(option):
    """A line for each option that was given and does nothing, or not what it says."""
    lines = ["%s has no effect: %s" % (name, _WHY_IDLE[name]) for name in _IDLE
             if getattr(option, _IDLE[name]["dest"], None)]
    for spec in getattr(option, "tx", None) or []:
        if not _popen_count(spec):
            lines.append("--tx %s is not a worker on this machine: run 'makespan run' there, with the"
                         " same MAKESPAN_URL" % spec)
        elif "//" in spec:
            lines.append("--tx %s: workers are forks of this Python, here; what follows // has no"
                         " effect" % spec)
    return lines


def refuse(option):
    """What cannot be done at all."""
    if getattr(option, "looponfail", False):
        raise pytest.UsageError("-f/--looponfail: use 'makespan watch -- pytest ...', which runs what"
                                " failed, then everything, whenever a file changes")


def recalls(option):
    """The option by which pytest's cache, of this machine alone, chooses or orders tests; or None."""
    for name, text in (("lf", "--lf"), ("stepwise", "--sw"), ("stepwise_skip", "--sw-skip"),
                       ("stepwise_reset", "--sw-reset"), ("failedfirst", "--ff"), ("newfirst", "--nf")):
        if getattr(option, name, False):
            return text
    return None


def add_late_options(parser, args):
    """Options of plugins that are not there but named in addopts: when all that are there have come."""
    if "--forked" in args and "--forked" not in _declared(parser):
        parser.getgroup("makespan")._addoption(
            "--forked", dest="forked", action="store_true", default=False,
            help="each test in a fork of its own, as with makespan's --isolate.")


def workers_wanted(option):
    """What the pytest command line says about -n: None, a number, "auto" or "logical"."""
    wanted = getattr(option, "numprocesses", None)
    if wanted in ("auto", "logical"):
        text = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", "")
        return int(text) if text.isdecimal() else wanted
    if wanted is not None:
        return wanted
    if getattr(option, "distload", False) or getattr(option, "dist", "no") != "no":
        count = sum(_popen_count(spec) for spec in getattr(option, "tx", None) or [])
        return count or None
    return None


def _popen_count(spec):
    times, star, rest = spec.partition("*")
    if star and times.isdecimal() and rest.startswith("popen"):
        return int(times)
    return 1 if spec.startswith("popen") else 0


def threads_wanted(config, option):
    """What pytest's options or settings say of tests per worker; 0 for nothing."""
    text = getattr(option, "tests_per_worker", None) or config.getini("tests_per_worker")
    if not text:
        return 0
    if text == "auto":
        return _THREADS_AUTO
    if not str(text).isdecimal() or not 0 < int(text) <= _THREADS_MAX:
        raise pytest.UsageError("tests_per_worker is a number up to %d or auto, not %r"
                                % (_THREADS_MAX, text))
    return int(text)


def auto_number(config):
    """What a plugin or conftest says that -n auto means, or None."""
    if getattr(config.option, "numprocesses", None) not in ("auto", "logical"):
        return None
    number = config.hook.pytest_xdist_auto_num_workers(config=config)
    return int(number) if number else None
