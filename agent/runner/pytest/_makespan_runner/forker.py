"""The forker: forked from the reporter before anything is configured, and never configured itself.

Who needs a start without anything collected comes from here: the zygote, a worker that starts early (a
fork of this process), and one that starts afresh (the user's command once more). It runs no plugin code.
"""

import os
import pickle
import signal
import sys
import traceback

from . import atfork, channel, compat, early, frames, orphan, zygote


def begin(config, link, sock, facts):
    """Right after the fork. Returns the plugin of a process that is to configure itself and go on;
    facts: of preflight.py, about the reporter before that fork."""
    try:
        return Forker(config, link, sock, facts).serve()
    except BaseException:
        # Not into the caller: two processes would go on as the reporter.
        os.write(2, ("makespan: a process that was to collect could not start\n"
                     + traceback.format_exc()).encode("utf-8", "replace"))
        os._exit(1)


class Forker:
    def __init__(self, config, link, sock, facts):
        self.config = config
        self.link = link
        link.connection.close()
        link.role = "forker"
        atfork.forget_exit_handlers()
        # Ctrl-C reaches the whole foreground group: the agent decides what it means for us.
        self.old_sigint = signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Sets must have one order in all processes of a run: ids may come from there.
        self.hash_seed = os.environ.get("PYTHONHASHSEED", "random")
        if self.hash_seed == "random":
            self.hash_seed = str(int.from_bytes(os.urandom(4), "little"))
        self.inputs = channel.Inputs.await_from(sock)
        link.connect(frames.ROLE_FORKER, facts=facts)

    def serve(self):
        """Fork on request. Returns in the children only."""
        connection = self.link.connection
        while True:
            kind, flags, slot, how, _payload = connection.receive()
            if kind == frames.QUIT:
                os._exit(0)
            if kind != frames.FORK:
                continue
            if slot != frames.ZYGOTE:
                self.inputs.of(slot)
            pid = orphan.fork()
            if pid == 0:
                return self._become(slot, how, bool(flags & frames.FORK_TELLS))
            connection.send(frames.frame(frames.FORKED, slot, pid))

    def _become(self, slot, how, tells):
        """In the child."""
        self.link.connection.close()
        signal.signal(signal.SIGINT, self.old_sigint)
        self.link.random_watch.restore()
        if slot == frames.ZYGOTE:
            return zygote.begin(self.config, self.link, self.inputs)
        atfork.leave_terminal(self.link)
        if how == frames.FORK_SPAWN:
            self._exec(slot, tells)
        return early.begin(self.config, self.link, self.inputs, slot, tells)

    def _exec(self, slot, tells):
        """The same command in a fresh process, which finds what it needs in a file."""
        path = os.path.join(self.link.folder, "gw%d.input" % slot)
        with open(path, "wb") as stream:
            pickle.dump({"slot": slot, "tells": tells, "settings": self.link.settings,
                         "workerinput": self.inputs.of(slot), "basetemp": self.inputs.basetemp},
                        stream)
        log = os.open(os.path.join(self.link.folder, "gw%d.log" % slot),
                      os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        compat.set_environment(self.inputs.of(slot))  # conftests look there when they load
        os.execve(sys.executable, own_command(self.config), self.link.environment_for(path, self.hash_seed))


def own_command(config):
    """The words with which this Python was started."""
    words = getattr(sys, "orig_argv", None)  # Python 3.10
    if not words:
        try:
            with open("/proc/self/cmdline", "rb") as stream:
                words = [os.fsdecode(word) for word in stream.read().split(b"\0")[:-1]]
        except OSError:
            words = [sys.executable, "-m", "pytest", *config.invocation_params.args]
    return [sys.executable, *words[1:]]
