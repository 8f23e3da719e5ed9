"""A worker that configures and collects for itself, as a worker of pytest-xdist does.

It is a fork from before configure (an early start) or the user's command once more (a fresh one). What
it collects is checked by the agent; the tests may come in another order than elsewhere.
"""

import os
import pickle
import signal

from . import capture, channel, collector, frames, manifest, worker


def read_input(path):
    """What the forker has left for a worker that starts afresh."""
    with open(path, "rb") as stream:
        told = pickle.load(stream)
    os.unlink(path)
    return told


def begin_afresh(config, link):
    """In such a worker, before configure."""
    told = link.told
    inputs = channel.Inputs(None, {told["slot"]: told["workerinput"]}, told["basetemp"])
    return begin(config, link, inputs, told["slot"], told["tells"])


def begin(config, link, inputs, slot, tells):
    """Before anything is configured: become the worker of this slot."""
    link.random_watch.restore_all()
    link.random_watch.stop()
    link.preflight.stop()
    outputs = collector.Outputs() if tells else None
    early = Early(config, link, slot, tells, outputs)
    collector.play_worker(config, dict(inputs.of(slot)), inputs.basetemp, "gw%d" % slot)
    early.register()
    early.tests.old_sigint = signal.getsignal(signal.SIGINT)
    worker.begin(config, link, early.tests, slot)
    inputs.close()
    link.connect(frames.ROLE_WORKER, slot)
    return early


class Early(collector.Collector):
    """The plugin of such a worker."""

    def __init__(self, config, link, slot, tells, outputs):
        super().__init__(config, link, tells, outputs)
        self.slot = slot

    def end(self, outcome):
        """pytest's session is over."""
        if self.tests.journal.awake:
            worker.leave(self.config, self.tests, outcome)
        self.refuse_after(outcome)

    def go_on(self, session):
        self.tests.know_by_id(manifest.by_id(self.items))
        worker.run(self.tests, session, self._become)

    def _become(self):
        """From a process that has collected to one that runs tests."""
        log = self.tests.journal.past_capture
        capture.restart(self.config, log.fd, log.fd)
        if self.outputs is not None:
            self.outputs.close()
        worker.settle_in(self.config, self.link, self.tests, self.slot)
        log.skip()  # what was printed while collecting belongs to no test
        self.freeze()
        self.sender.start()
        self.say_collected()
        worker.wake(self.link, self.tests)
