"""What agents and commands really say to a coordinator, and what it answers, is what
docs/openapi.yaml describes: people generate clients from it."""

import json
import signal
import unittest

import described
import harness
import relay

SUITE = {
    "conftest.py": '''
import pytest

@pytest.fixture(scope="module")
def wide():
    yield
    raise OSError("a teardown that fails")
''',
    "test_all.py": '''
import pytest

@pytest.mark.parametrize("n", range(6))
def test_wide(wide, n):
    pass

def test_fails():
    print("said")
    assert 0

def test_skips():
    pytest.skip("not here")

@pytest.mark.xfail
def test_expected():
    assert 0

@pytest.mark.xfail
def test_unexpected():
    pass

def test_error(nothing):
    pass
''',
    "test_other.py": '''
def test_ending():
    import os
    os.abort()
''',
    "test_skipped.py": 'import pytest\n\npytest.skip("as a whole", allow_module_level=True)\n',
}


class OpenApiTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.api = described.Api(harness.ROOT / "docs" / "openapi.yaml")
        self.real = self.coordinator()
        self.between = relay.Relay(self.real)
        self.between.__enter__()
        self.addCleanup(self.between.__exit__)

    def say(self, *words, status=0, **env):
        said = self.makespan(words, self.between, **env)
        self.assertEqual(said.wait(), status, said.output)

    def asked(self, path, **headers):
        """As somebody without a token, unless the headers have it."""
        context = self.between.theirs
        port = self.between.server.server_address[1]
        way = relay.http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=relay.PATIENCE_S)
        way.request("GET", path, headers=headers)
        way.getresponse().read()
        way.close()

    def run_suite_on_two(self):
        folder = self.suite(SUITE)
        agents = [self.agent(self.pytest("-q"), self.between, index=index, total=2, cwd=folder,
                             options=["--label", f"zone={index}"]) for index in range(2)]
        self.assertIn(1, [agent.wait() for agent in agents])

    def run_that_stops_at_its_first_failure(self):
        """What failed before goes first; a copy may be asked for; nothing starts any more."""
        agent = self.agent(self.pytest("-q", "-x"), self.between, key="run-4",
                           cwd=self.folder / "suite", options=["--failed-first", "--speculate", "--attempt", "1"])
        self.assertEqual(agent.wait(), 1, agent.output)

    def run_that_is_drained_and_closed(self):
        gate = self.gate()
        folder = self.gated_suite(gate, 8, name="gated")
        agent = self.agent(self.pytest("-q"), self.between, index=0, total=2, key="run-2", cwd=folder)
        gate.reached("go", 2)
        self.say("status", "--project", "e2e", "--run-key", "run-2")
        agent.signal(signal.SIGTERM)
        agent.wait_for_line("stopping: ")
        gate.open("go")
        agent.wait()
        self.say("verdict", "--project", "e2e", "--run-key", "run-2", "--close", status=harness.MACHINES)

    def run_of_two_that_differ(self):
        agents = [self.agent(self.pytest("-q"), self.between, index=index, total=2, key="run-3",
                             cwd=self.suite({"test_it.py": f"def test_{index}():\n    pass\n"}, f"other{index}"))
                  for index in range(2)]
        self.assertIn(harness.MISMATCH, [agent.wait() for agent in agents])

    def test_what_is_said_is_described(self):
        self.run_suite_on_two()
        key = ("--project", "e2e", "--run-key", "run-1")
        durations = self.folder / "durations"
        durations.write_text(json.dumps({"test_all.py::test_fails": 0.5}))
        self.say("verdict", *key, status=1)
        self.say("report", *key, "--format", "junit", "-o", self.folder / "report.xml")
        self.say("report", *key, "--format", "json", "-o", self.folder / "report.json")
        self.say("durations", "import", durations, "--project", "e2e")
        self.say("durations", "export", self.folder / "again", "--project", "e2e")
        self.say("simulate", "--project", "e2e", "--agents", "2")
        self.say("status", *key, status=harness.REFUSED, MAKESPAN_TOKEN="msp_" + "0" * 52)
        self.run_that_stops_at_its_first_failure()
        self.run_that_is_drained_and_closed()
        self.run_of_two_that_differ()
        for path in ("/healthz", "/readyz", "/agent/linux-x86_64", "/agent/linux-x86_64.sha256"):
            self.asked(path)
        self.asked("/metrics", Authorization=f"Bearer {self.real.token}")
        faults = sorted({fault for exchange in self.between.exchanges for fault in self.api.faults(exchange)})
        self.assertEqual(faults, [])
        good = {self.api.operation(exchange.method, exchange.path) for exchange in self.between.exchanges
                if exchange.status == 200}
        self.assertEqual(good, self.api.names(), "an operation was not tried")


if __name__ == "__main__":
    unittest.main(verbosity=2)
