"""The zygote: configures in the role of a worker, collects once, and then only forks workers.

After the collection it runs no plugin code, so that the threads and state of a reporting plugin are
never inherited by a replacement worker.
"""

import os
import signal

from . import atfork, capture, collector, frames, holes, orphan, worker


def begin(config, link, inputs):
    """Right after the fork, before anything is configured: become a worker-to-be."""
    link.role = "zygote"
    # What configure prints, the reporter prints too. From collection on, output is ours again.
    outputs = collector.Outputs()
    capture.restart(config, outputs.null, outputs.null)
    collector.play_worker(config, link.preflight.identity.watched(inputs.of(0), inputs.others()),
                          inputs.basetemp, "zygote")
    link.connect(frames.ROLE_ZYGOTE)
    zygote = Zygote(config, link, inputs, outputs)
    zygote.register()
    return zygote


class Zygote(collector.Collector):
    """The plugin of the zygote; and of its workers, which are forks of it."""

    def __init__(self, config, link, inputs, outputs):
        super().__init__(config, link, True, outputs)
        self.inputs = inputs

    def end(self, outcome):
        """pytest's session is over: of a worker, or of a zygote that never came to collect."""
        if self.link.role == "worker":
            worker.leave(self.config, self.tests, outcome)
        self.refuse_after(outcome)

    def go_on(self, session):
        """No hook of anybody else's runs in this process any more."""
        facts = self._settle_down()
        self.say_collected(facts=facts)
        self.freeze()
        holes.fill()
        atfork.forget_lookups()
        slot = self._serve()
        worker.run(self.tests, session, lambda: self._become(slot))

    def _settle_down(self):
        """Make this process safe to fork, as far as it can be; returns what is in the way."""
        link = self.link
        capture.drain(self.config)
        link.random_watch.remember()
        link.random_watch.stop()
        link.preflight.stop()
        # Ctrl-C reaches the whole foreground group: the agent decides what it means for us.
        self.tests.old_sigint = signal.signal(signal.SIGINT, signal.SIG_IGN)
        own = [link.connection.fileno(), *self.inputs.descriptors(), *self.outputs.descriptors()]
        return link.preflight.facts(self.config, own, link.settings["workers"])

    def _serve(self):
        """Fork on request. Returns the slot number, in the worker; never in the zygote."""
        connection = self.link.connection
        while True:
            kind, _flags, slot, _how, _payload = connection.receive()
            if kind == frames.QUIT:
                os._exit(0)
            if kind != frames.FORK:
                continue
            self.inputs.of(slot)
            pid = orphan.fork()
            if pid == 0:
                return slot
            connection.send(frames.frame(frames.FORKED, slot, pid))

    def _become(self, slot):
        """From a fork of the zygote to a process like a fresh one."""
        config, link = self.config, self.link
        link.connection.close()
        self.inputs.close()
        self.outputs.close()
        atfork.leave_terminal(link)
        atfork.forget_exit_handlers()
        signal.signal(signal.SIGINT, self.tests.old_sigint)
        worker.begin(config, link, self.tests, slot)
        # In place, since plugins may hold on to the dictionary they were given.
        config.workerinput.clear()
        config.workerinput.update(self.inputs.of(slot))
        worker.take_identity(config, slot)
        worker.settle_in(config, link, self.tests, slot)
        link.connect(frames.ROLE_WORKER, slot)
        worker.wake(link, self.tests)
