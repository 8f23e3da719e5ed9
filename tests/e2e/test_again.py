"""A machine that nobody hears for longer than its session lives joins again and goes on; nothing counts twice."""

import re
import select
import signal
import socket
import threading
import time
import unittest
import urllib.parse

import harness

TESTS = 40


class Cable:
    """A way to the coordinator that can be cut, and mended."""

    def __init__(self, address):
        self._to = address
        self._cut = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        self._cut.set()

    def mend(self):
        self._cut.clear()

    def close(self):
        self.cut()
        self._server.close()

    def _accept(self):
        while True:
            try:
                near, _address = self._server.accept()
            except OSError:
                return
            if self._cut.is_set():
                near.close()
                continue
            threading.Thread(target=self._carry, args=(near, socket.create_connection(self._to)), daemon=True).start()

    def _carry(self, near, far):
        with near, far:
            while not self._cut.is_set():
                for end in select.select([near, far], [], [], 0.2)[0]:
                    try:
                        data = end.recv(65536)
                        (far if end is near else near).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return


class AgainTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.began = time.monotonic()
        self.gate_ = self.gate()
        self.command = self.pytest("-q", self.gated_suite(self.gate_, TESTS))
        self.coordinator_ = self.coordinator()

    def two_at_work(self, **env):
        """Two machines with two workers each, all of them in a test that waits."""
        agents = [self.agent(self.command, self.coordinator_, index=index, total=2, **(env if index == 0 else {}))
                  for index in range(2)]
        self.gate_.reached("go", 4)
        return agents

    def both_end_green(self, lost, other):
        lost.wait_for_line(r"the coordinator gave this machine up and its tests to others; joining again")
        lost.wait_for_line(r"joined run \S+ again")
        self.gate_.open("go")
        self.assertEqual((lost.wait(), other.wait()), (0, 0), lost.output + other.output)
        verdict = self.assert_green_and_complete(self.coordinator_, TESTS)
        self.assertEqual((verdict["counts"]["passed"], verdict["sessions_seen"], verdict.get("errors", [])), (TESTS, 3, []))
        self.assertLess(verdict["makespan_us"], 1e6 * (time.monotonic() - self.began))
        ran = [int(re.search(r"(\d+) of (\d+) tests ran here", agent.output).group(1)) for agent in (lost, other)]
        self.assertGreater(ran[0], 2, "it ran nothing but what it had in hand")

    def test_an_agent_that_was_stopped_joins_again(self):
        lost, other = self.two_at_work()
        lost.signal(signal.SIGSTOP)
        self.coordinator_.wait_for_line("session_lost")
        lost.signal(signal.SIGCONT)
        self.both_end_green(lost, other)
        self.assertLessEqual(len(self.gate_.reached("go")), TESTS + 2)  # what it ran all the time may run elsewhere

    def test_a_machine_behind_a_cut_cable_joins_again(self):
        url = urllib.parse.urlsplit(self.coordinator_.environ()["MAKESPAN_URL"])
        cable = Cable((url.hostname, url.port))
        self.addCleanup(cable.close)
        lost, other = self.two_at_work(MAKESPAN_URL=f"https://127.0.0.1:{cable.port}")
        cable.cut()
        self.coordinator_.wait_for_line("session_lost")
        cable.mend()
        self.both_end_green(lost, other)

    def test_the_run_has_ended_meanwhile(self):
        lost, other = self.two_at_work()
        lost.signal(signal.SIGSTOP)
        self.coordinator_.wait_for_line("session_lost")
        self.gate_.open("go")
        self.assertEqual(other.wait(), 0, other.output)
        lost.signal(signal.SIGCONT)
        self.assertEqual(lost.wait(), 71, lost.output)
        self.assertRegex(lost.output, r"gave this machine up and its tests to others: .* and run \S+ has ended")
        self.assert_green_and_complete(self.coordinator_, TESTS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
