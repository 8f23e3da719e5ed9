"""The zygote: a fork of the reporter that collects once and then only forks workers.

It configures in the role of a worker. After the collection it runs no plugin code, so that the
threads and state of a reporting plugin are never inherited by a replacement worker.
"""

import gc
import json
import os
import pickle
import signal
import struct
import traceback
import warnings

import pytest

from . import atfork, capture, compat, events, frames, logs, runner, voice, worker

_MANIFEST_BYTES = 1024 * 1024
_LENGTH = struct.Struct("<I")


def begin(config, link, channel):
    """Right after the fork, before anything is configured: become a worker-to-be."""
    try:
        _begin(config, link, channel)
    except BaseException:
        # Not into the caller: two processes would go on as the reporter.
        os.write(2, ("makespan: the collecting process could not start\n"
                     + traceback.format_exc()).encode("utf-8", "replace"))
        os._exit(1)


def _begin(config, link, channel):
    link.connection.close()
    link.connection = None
    link.role = "zygote"
    atfork.forget_exit_handlers()
    # What configure prints, the reporter prints too. From collection on, output is ours again.
    outputs = Outputs()
    capture.restart(config, outputs.null, outputs.null)
    setup = receive_pickle(channel)
    workerinputs = setup["workerinputs"]
    config.workerinput = dict(workerinputs[0])
    config.workeroutput = {}
    compat.set_environment(config.workerinput)
    _set_worker_options(config, setup)
    link.connect(frames.ROLE_ZYGOTE)
    zygote = Zygote(config, link, channel, workerinputs, outputs)
    config._makespan_zygote = zygote
    zygote.tests = runner.Tests(config, link, zygote.sender)
    config.pluginmanager.register(zygote, "makespan_zygote")
    config.pluginmanager.register(zygote.tests, "makespan_worker")
    config.pluginmanager.register(zygote.tests.clock, "makespan_fixtures")


def end(config, outcome):
    """pytest's session is over: of a worker, or of a zygote that never came to collect."""
    zygote = config._makespan_zygote
    if zygote.link.role == "worker":
        worker.leave(config, outcome)
    text = "the session ended before the collection"
    if outcome.excinfo is not None:
        text = "%s: %s" % (outcome.excinfo[0].__name__, outcome.excinfo[1])
    zygote.refuse(int(zygote.exitstatus or 3), text)


def _set_worker_options(config, setup):
    """What xdist sets in its workers, and what only the reporter may write."""
    option = config.option
    option.dist = "no"
    option.distload = False
    option.numprocesses = None
    option.maxprocesses = None
    option.tx = []
    option.usepdb = False
    option.loadgroup = False
    if setup["basetemp"]:
        option.basetemp = os.path.join(setup["basetemp"], "popen-zygote")
    if logs.wants_file(config):
        option.log_file = os.devnull  # the reporter's file: it writes the records we forward


class Outputs:
    """The real stdout and stderr, and somewhere to write what must not be seen twice."""

    def __init__(self):
        self.null = os.open(os.devnull, os.O_WRONLY)
        self.stdout = os.dup(1)
        self.stderr = os.dup(2)

    def close(self):
        os.close(self.null)
        os.close(self.stdout)
        os.close(self.stderr)


class Zygote:
    """The plugin of the zygote. Its hooks fall silent in the workers, which are forks of it."""

    def __init__(self, config, link, channel, workerinputs, outputs):
        self.config = config
        self.link = link
        self.channel = channel
        self.workerinputs = workerinputs
        self.outputs = outputs
        self.sender = events.Sender(config, link)
        self.tests = None
        self.exitstatus = None
        self.collecting = False
        self.deselected = 0

    # Hooks before and while collecting.

    def pytest_plugin_registered(self, plugin, manager):
        if manager.get_name(plugin) == "terminalreporter":
            voice.silence(plugin)
        elif manager.get_name(plugin) == "logging-plugin":
            logs.forward_from(self.config, plugin, self.tests.log_record)

    def pytest_internalerror(self, excrepr):
        if self.link.role == "zygote":
            self.sender.event("internal_error", str(excrepr))
            self.exitstatus = 3

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self, session):
        self.collecting = True
        voice.forget_lines(self.config.pluginmanager.getplugin("terminalreporter"))
        self.sender.start()
        capture.restart(self.config, self.outputs.stdout, self.outputs.stderr)
        outcome = yield
        self.collecting = False
        if outcome.excinfo is not None:
            self._collection_raised(outcome.excinfo[1])
        failed = session.testsfailed and not self.config.option.continue_on_collection_errors
        self._tell_collected(session, not failed)

    def _collection_raised(self, problem):
        """UsageError, pytest.exit, -x, Ctrl-C: the reporter raises the same, we are done."""
        from _pytest.outcomes import Exit

        if isinstance(problem, pytest.UsageError):
            self.sender.event("usage", [str(arg) for arg in problem.args])
            status = 4
        elif isinstance(problem, Exit):
            status = 2 if problem.returncode is None else int(problem.returncode)
            self.sender.event("exit", str(problem.msg), problem.returncode)
        elif isinstance(problem, KeyboardInterrupt):
            status = 2
            if type(problem) is KeyboardInterrupt:
                self.sender.interrupt(problem)
            else:  # Session.Interrupted
                self.sender.event("interrupted", str(problem))
        elif type(problem).__name__ == "Failed":
            status = 1
            self.sender.event("failed", str(problem))
        else:
            status = 3
            self.sender.event("internal_error", events.format_exception(problem))
        self._tell_collected(self.session, False)
        self.refuse(status, "%s: %s" % (type(problem).__name__, problem))

    def pytest_sessionstart(self, session):
        self.session = session

    def pytest_deselected(self, items):
        self.deselected += len(items)

    def pytest_collectreport(self, report):
        if self.collecting:
            self.sender.collect_report(report)

    def _tell_collected(self, session, runs):
        """The figures and lines of "collected N items"."""
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        plugin = self.config.pluginmanager.getplugin("nfplugin")
        self.sender.event("collected", {
            "runs": runs,
            "found": getattr(terminal, "_numcollected", session.testscollected),
            "deselected": self.deselected,
            "selected": session.testscollected,
            "lines": voice.take_lines(terminal),
            "nodeids": sorted(getattr(plugin, "cached_nodeids", ())),
        })

    # After collecting: no hook of anybody else's runs in this process any more.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        option = self.config.option
        if session.testsfailed and not option.continue_on_collection_errors:
            self.refuse(2, "%d error%s during collection"
                        % (session.testsfailed, "s" if session.testsfailed != 1 else ""))
        self.tests.take(session)
        self._send_manifest(session.items)
        self._settle_down()
        slot = self._serve()
        worker.run(self, session, slot)  # only a worker gets here
        return True

    def refuse(self, status, reason):
        """No test may run: say so, and end."""
        try:
            payload = json.dumps({"reason": reason}).encode("utf-8", "backslashreplace")
            self.link.connection.send(frames.frame(frames.COLLECT_END, status, 0, payload))
        finally:
            atfork.flush_streams()
            os._exit(0)

    def _send_manifest(self, items):
        chunk, count, parts = [], 0, []
        size = 0
        for item in items:
            text = "\0".join((item.nodeid.replace("\0", "\\x00"), compat.group_of(item),
                              flags_of(item), ""))
            data = text.encode("utf-8", "backslashreplace")
            chunk.append(data)
            count += 1
            size += len(data)
            if size >= _MANIFEST_BYTES:
                parts.append((count, b"".join(chunk)))
                chunk, count, size = [], 0, 0
        parts.append((count, b"".join(chunk)))
        for number, (count, data) in enumerate(parts, 1):
            last = 1 if number == len(parts) else 0
            self.link.connection.send(frames.frame(frames.MANIFEST, count, last, data))
        self.link.connection.send(frames.frame(frames.COLLECT_END, 0, 1, b'{"reason": ""}'))

    def _settle_down(self):
        """Make this process cheap and safe to fork."""
        capture.drain(self.config)
        self.link.random_watch.remember()
        self.link.random_watch.stop()
        threads = atfork.other_threads()
        if threads:
            self.sender.event(
                "note", "makespan: %d thread%s started while collecting will not exist in the"
                " workers: %s" % (len(threads), "s" if len(threads) != 1 else "",
                                  ", ".join(threads[:5])))
        # Ctrl-C reaches the whole foreground group: the agent decides what it means for us.
        self.tests.old_sigint = signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.collect()
        self.link.thaw.freeze()  # full collections need not walk the collected tests in any worker

    def _serve(self):
        """Fork on request. Returns the slot number, in the worker; never in the zygote."""
        connection = self.link.connection
        while True:
            kind, _flags, slot, _b, _payload = connection.receive()
            if kind == frames.QUIT:
                os._exit(0)
            if kind != frames.FORK:
                continue
            while slot >= len(self.workerinputs):
                self.workerinputs.append(self._ask_workerinput(len(self.workerinputs)))
            pid = fork_orphan()
            if pid == 0:
                return slot
            connection.send(frames.frame(frames.FORKED, slot, pid))

    def _ask_workerinput(self, slot):
        """A replacement beyond the first workers: the reporter's plugins configure it too."""
        self.channel.sendall(_LENGTH.pack(slot))
        return receive_pickle(self.channel)


def fork_orphan():
    """Fork a process whose parent will be the keeper; 0 in it, its pid in the caller."""
    reading, writing = os.pipe()
    atfork.flush_streams()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads; we have told of them ourselves.
        warnings.simplefilter("ignore", DeprecationWarning)
        middle = os.fork()
        if middle == 0:
            own_pid = os.getpid()
            child = os.fork()
            if child:
                os.write(writing, _LENGTH.pack(child))
                os._exit(0)
            os.close(reading)
            os.close(writing)
            keeper = atfork.wait_for_new_parent(own_pid)
            atfork.die_with_parent(keeper)
            return 0
    os.close(writing)
    data = os.read(reading, _LENGTH.size)
    os.close(reading)
    os.waitpid(middle, 0)
    return _LENGTH.unpack(data)[0]


def receive_pickle(channel):
    """One object from the reporter; the end of the channel is our end."""
    size = _LENGTH.unpack(_receive_exactly(channel, _LENGTH.size))[0]
    return pickle.loads(_receive_exactly(channel, size))


def _receive_exactly(channel, size):
    data = b""
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            os._exit(0)  # the reporter gave up while configuring, and has said why
        data += part
    return data


def send_pickle(channel, value):
    data = pickle.dumps(value)
    channel.sendall(_LENGTH.pack(len(data)) + data)


def flags_of(item):
    """The marks that the planner knows, as MANIFEST wants them."""
    flags = []
    if item.get_closest_marker("forked") is not None:
        flags.append("forked")
    mark = item.get_closest_marker("makespan")
    if mark is None:
        return ",".join(flags)
    wanted = dict(mark.kwargs)
    wanted.update((name, True) for name in mark.args)
    for name in ("serial", "no_speculate"):
        if wanted.get(name):
            flags.append(name)
    for name, number in (("threads", wanted.get("threads")), ("mem", _bytes(wanted.get("mem")))):
        if number:
            flags.append("%s=%d" % (name, number))
    if wanted.get("mutex"):
        flags.append("mutex=%s" % str(wanted["mutex"]).replace(",", "_").replace("\0", "_"))
    if wanted.get("timeout"):
        flags.append("timeout=%d" % int(float(wanted["timeout"]) * 1000))
    return ",".join(flags)


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
