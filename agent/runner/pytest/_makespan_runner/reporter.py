"""The reporter: the pytest that the user asked for, in the role of the controller.

It owns the terminal, the JUnit XML, the cache and the exit code. It never collects and runs no test:
the zygote collects, workers run, and what they say arrives through the agent.
"""

import gc
import json
import select
import sys
import time

import pytest

from . import (caches, channel, compat, conftests, crash, frames, heard, interrupts, live, records, replay,
               stopwatch)

_LAST_WORDS_SECONDS = 5.0
_GATHER_SECONDS = 0.004


class Reporter:
    """The plugin of the reporting process."""

    def __init__(self, config, link, sock):
        self.config = config
        self.link = link
        self.connection = link.connection
        self.channel = sock
        self.replay = replay.Replay(config)
        self.nodes = {}
        self.screen = live.Screen(config, link.settings, link.folder)
        if link.settings.get("each"):
            self.replay.node_of = self._node  # else nobody could tell a test from its likes
        self.heard = heard.Heard(config)
        config.pluginmanager.register(self.heard, "makespan_heard")
        self.session = None
        self.total = None  # (tests, message) as the agent said
        self.end = None  # (stopped, {"reason", "message", "status"}) of END
        self._children_gone_at = None
        self._stop_sent = False
        self._shown = False  # blocks since the last wait
        self._interrupts = interrupts.Interrupts(self._send_stop)
        link.role = "reporter"
        # The process that collects knows what its conftests have declared.
        config._validate_config_options = lambda: None

    # Configure: the workers' input is made here, as xdist's controller does.

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session):
        self.session = session
        settings = self.link.settings
        self.config.hook.pytest_xdist_setupnodes(config=self.config, specs=[
            compat.Gateway(slot).spec for slot in range(settings["workers"])])
        for slot in range(settings["workers"]):
            self._node(slot)
        factory = getattr(self.config, "_tmp_path_factory", None)
        basetemp = str(factory.getbasetemp()) if factory is not None else None
        self._leave_names_of_files_out(settings)
        self._tell_forker({
            "workerinputs": [node.workerinput for node in self.nodes.values()],
            "basetemp": basetemp,
        })
        self.link.patience.over()

    def _leave_names_of_files_out(self, settings):
        """Tests of several files end in turns: dots alone, as with -q, and not a line for each of them."""
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None and settings["workers"] > 1:
            terminal.showfspath = False

    def _node(self, slot):
        """The worker of a slot, made known to the plugins when it is first needed."""
        if slot not in self.nodes:
            settings = self.link.settings
            node = compat.Node(self.config, slot, settings["workers"], settings["run_uid"])
            self.config.hook.pytest_xdist_newgateway(gateway=node.gateway)
            self.config.hook.pytest_configure_node(node=node)
            self.nodes[slot] = node
            self.screen.watch(slot)
        return self.nodes[slot]

    def _tell_forker(self, value):
        try:
            channel.send(self.channel, value)
        except OSError:
            pass  # it is gone; the agent will say so

    # Collect: wait for the zygote.

    def pytest_collection(self, session):
        while self.heard.collected is None and self.end is None:
            self._step()
        if self.heard.collected is None and self.heard.problem is None:
            self._raise_end()
            pytest.exit("makespan: the process that collects ended before it was done",
                        returncode=3)
        # Where nothing may run, the agent has no number to add.
        while self.heard.collected is not None and self.heard.collected["runs"] and (
                self.total is None and self.end is None):
            self._step()
        failed = self._load_conftests()
        self._print_collected(session, failed)
        self.heard.raise_problem()
        return True

    def _load_conftests(self):
        """Those that were found while collecting. Returns lines to be printed."""
        return conftests.load(self.config, (self.heard.collected or {}).get("conftests", ()))

    def _print_collected(self, session, lines):
        """'collected N items', in the words of pytest's own terminal reporter."""
        collected = self.heard.collected or {"found": 0, "deselected": 0, "selected": 0, "lines": []}
        session.items = []
        session.testscollected = collected["selected"]
        if self.total is not None:
            session.testscollected = self._runs()
        if self.heard.collected:
            caches.take(self.config, collected["caches"])
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if terminal is None:
            return
        terminal._numcollected = collected["found"]
        if collected["deselected"]:
            terminal.stats.setdefault("deselected", []).extend([None] * collected["deselected"])
        terminal.report_collect(True)
        for line in collected["lines"] + lines:
            terminal.write_line(line)
        if self.total is not None and self.total[1]:
            terminal.write_line(self.total[1])

    def pytest_unconfigure(self):
        """Nothing more to hear. (Left to the interpreter, open sockets become warnings.)"""
        self.screen.close()
        if self.end is not None:
            self.connection.close()
        if self.channel is not None:
            self.channel.close()

    # Run: replay what comes.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        if session.testsfailed and not self.config.option.continue_on_collection_errors:
            raise session.Interrupted("%d error%s during collection" % (
                session.testsfailed, "s" if session.testsfailed != 1 else ""))
        self.replay.begin()
        gc.freeze()  # from here on there will be reports, and they stay
        try:
            with self._interrupts.outlived():
                while self.end is None:
                    self._step()
                    self._check_stop()
        finally:
            self.screen.close()
            self.replay.flush_all()
        if self._interrupts.interrupted:
            raise KeyboardInterrupt
        self.heard.raise_problem()
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        self._raise_end()
        return True

    def _check_stop(self):
        """-x and kin: as soon as this process knows, no queued test may start."""
        session = self.session
        if session.shouldfail:
            self._send_stop(frames.STOP_MAXFAIL, str(session.shouldfail))
        elif session.shouldstop:
            self._send_stop(frames.STOP_SHOULDSTOP, str(session.shouldstop))

    def _send_stop(self, why, reason, number=0):
        if not self._stop_sent or why == frames.STOP_SIGNAL:  # which gives the tests in hand less time
            self._stop_sent = True
            try:
                self.connection.send(frames.frame(frames.STOP, why, number, reason.encode()))
            except EOFError:
                pass  # the next read says the same

    def _raise_end(self):
        """The agent ended the run for a reason of its own."""
        stopped, how = self.end
        if not stopped:
            return
        message = how.get("message") or how.get("reason") or "stopped"
        status = how.get("status")
        if status:
            pytest.exit(message, returncode=status)
        raise self.session.Interrupted(message)

    # Frames.

    def _step(self):
        """Handle the next frame of the agent, and questions of our children meanwhile."""
        while not self.connection.has_frame():
            self._gather()
            watched = [self.connection] + ([self.channel] if self.channel else [])
            shown = self.screen.descriptors()
            ready = select.select(watched + shown, [], [], self._patience())[0]
            if not ready:
                self.end = (1, {"status": 3, "message":
                                "makespan: the process that collects ended before it was done"})
                return
            if self.channel in ready:
                self._answer_question()
            for fd in shown:
                if fd in ready:
                    self.screen.show(fd)
            if self.connection in ready:
                break
        try:
            kind, flags, a, b, payload = self.connection.receive()
        except EOFError:
            self.end = (1, {"message": "makespan: the agent is gone", "status": 3})
            return
        if kind == frames.BLOCK:
            self.screen.catch_up(b)
            self.replay.block(b, flags, payload)
            self._shown = True
        elif kind == frames.FORWARD:
            self._forward(a, b, payload)
        elif kind == frames.TOTAL:
            self._set_total(a, json.loads(payload.decode() or "{}"))
        elif kind == frames.UP:
            self._up(self._node(a))
        elif kind == frames.DOWN:
            self._down(a, b, payload.decode("utf-8", "replace"))
        elif kind == frames.CRASH:
            self._crash(b, json.loads(payload.decode()))
        elif kind == frames.NOTE:
            self._note(payload.decode("utf-8", "replace"))
        elif kind == frames.END:
            self.end = (a, json.loads(payload.decode() or "{}"))

    def _gather(self):
        """After some blocks: wait for more of them, since waking up for one costs as much as showing
        it, and takes the CPU from the workers."""
        if self._shown:
            self._shown = False
            time.sleep(_GATHER_SECONDS)

    def _answer_question(self):
        """The input of a replacement is asked for."""
        slot = channel.receive_question(self.channel)
        if slot is None:
            self._children_gone()
            return
        self._tell_forker(self._node(slot).workerinput)

    def _children_gone(self):
        """Their last words may still be on their way through the agent: this is not the end yet."""
        self.channel.close()
        self.channel = None
        self._children_gone_at = stopwatch.seconds()

    def _patience(self):
        """Seconds to wait for the next frame; None for ever."""
        if self._children_gone_at is None or self.heard.collected is not None:
            return None
        return max(0.0, self._children_gone_at + _LAST_WORDS_SECONDS - stopwatch.seconds())

    def _set_total(self, tests, more):
        said = self.total[1] if self.total is not None else None
        self.total = (tests, more.get("message") or said)
        if self.session is not None and hasattr(self.session, "items"):
            self.session.testscollected = self._runs()

    def _runs(self):
        """Of how many the terminal's progress is: all tests, once or in each worker."""
        return self.total[0] * (self.link.settings["workers"] if self.replay.node_of else 1)

    def _up(self, node):
        self.config.hook.pytest_testnodeready(node=node)
        ids = (self.heard.collected or {}).get("ids")
        if ids is not None:
            self.config.hook.pytest_xdist_node_collection_finished(node=node, ids=ids)

    def _down(self, slot, crashed, reason):
        self.screen.catch_up(slot)
        self.replay.flush(slot)
        error = (reason or "crashed") if crashed else None
        self.config.hook.pytest_testnodedown(node=self._node(slot), error=error)

    def _crash(self, slot, told):
        self.screen.catch_up(slot)
        node = self._node(slot) if self.replay.node_of is not None else None
        crash.show(self.config, self.replay, node, slot, told)

    def _forward(self, slot, is_bye, payload):
        if is_bye:
            self.replay.flush(slot)
            if slot != frames.ZYGOTE:
                self._node(slot).workeroutput = records.unpack(payload) if payload else {}
            return
        name, *what = records.unpack(payload)
        if name == "abandoned":
            self.replay.abandoned(slot, *what)
        else:
            self.heard.take(name, *what)

    def _note(self, text):
        """What the agent has to say."""
        text = "makespan: " + text
        if not live.write_lines(self.config, text):
            sys.stderr.write(text + "\n")
