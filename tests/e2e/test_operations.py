"""What operators get: /metrics, the access log, and an installation with a unit for systemd."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

import harness

SUITE = {"test_it.py": '''
import pytest

@pytest.mark.parametrize("n", range(5))
def test_passes(n):
    pass

def test_fails():
    assert 0
'''}

# Reads what it can of the environments of all Makespan's processes that stand above it.
CURIOUS = {"test_it.py": """
import os

def read(pid, name):
    with open(f"/proc/{pid}/{name}", errors="replace") as file:
        return file.read()

def test_looks_for_the_token():
    pid, read_of, refused = os.getpid(), [], 0
    while pid > 1:
        name, rest = read(pid, "stat").split("(", 1)[1].rsplit(")", 1)
        try:
            if "msp_sesame" in read(pid, "environ"):
                read_of.append(name)
        except PermissionError:
            refused += name == "makespan"
        pid = int(rest.split()[1])
    assert "makespan" not in read_of
    assert refused == 2
"""}


def parse(page):
    """{name: {labels as they stand: value}} of a page, read as strictly as the format is described."""
    kinds, samples = {}, {}
    for line in page.splitlines():
        head = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line)
        if head and head[1] == "TYPE":
            assert head[2] not in kinds and head[3] in ("counter", "gauge", "histogram"), line
            kinds[head[2]] = head[3]
        elif not head:
            sample = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z_]+="[^"\\\n]*",?)+)\})? ([0-9.]+)', line)
            assert sample, line
            family = next(name for name in (sample[1], re.sub("_(bucket|sum|count)$", "", sample[1])) if name in kinds)
            assert family == list(kinds)[-1], "a family stands together: " + line
            assert (kinds[family] == "counter") == family.endswith("_total"), line
            values = samples.setdefault(sample[1], {})
            assert sample[2] not in values, "twice: " + line
            values[sample[2]] = float(sample[3])
    return samples


class OperationsTest(harness.TestCase):
    def run_suite(self, coordinator):
        agents = [self.agent(self.pytest("-q"), coordinator, index=index, total=2, cwd=self.suite(SUITE))
                  for index in range(2)]
        self.assertIn(1, [agent.wait() for agent in agents])

    def metrics(self, coordinator):
        status, page = coordinator.request("GET", "/metrics")
        self.assertEqual(status, 200, page)
        return parse(page.decode())

    def test_metrics_count_what_happened(self):
        coordinator = self.coordinator()
        self.assertEqual(self.metrics(coordinator)["makespand_runs_opened_total"], {None: 0})
        self.run_suite(coordinator)
        seen = self.metrics(coordinator)
        self.assertEqual(list(seen["makespand_build_info"].values()), [1])
        self.assertEqual(seen["makespand_runs_opened_total"], {None: 1})
        self.assertEqual(seen["makespand_runs_ended_total"]['verdict="red"'], 1)
        self.assertEqual(seen["makespand_results_total"]['outcome="passed"'], 5)
        self.assertEqual(seen["makespand_results_total"]['outcome="failed"'], 1)
        self.assertGreaterEqual(seen["makespand_leases_total"][None], 6)
        self.assertEqual(seen["makespand_sessions_joined_total"], {None: 2})
        self.assertEqual(seen["makespand_sessions_ended_total"], {'how="left"': 2, 'how="lost"': 0})
        self.assertEqual(set(seen["makespand_runs"].values()), {0})
        joins = 'method="POST",route="/v1/join"'
        self.assertEqual(seen["makespand_http_requests_total"][joins + ',status="200"'], 2)
        times = seen["makespand_http_request_seconds_bucket"]
        self.assertEqual(times[joins + ',le="+Inf"'], seen["makespand_http_request_seconds_count"][joins])
        edges = [value for labels, value in times.items() if labels.startswith(joins)]
        self.assertEqual(edges, sorted(edges))

    def test_metrics_show_what_is_under_way(self):
        coordinator, gate = self.coordinator(), self.gate()
        agent = self.agent(self.pytest("-q"), coordinator, cwd=self.gated_suite(gate, 8))
        gate.reached("go", 2)
        seen = self.metrics(coordinator)
        self.assertEqual((seen["makespand_runs"]['state="running"'], seen["makespand_workers"][None]), (1, 2))
        self.assertEqual(sum(seen["makespand_tests"].values()), 8)
        self.assertGreaterEqual(seen["makespand_tests"]['place="leased"'], 2)
        gate.open("go")
        self.assertEqual(agent.wait(), 0, agent.output)

    def test_metrics_are_for_who_may_read_all(self):
        coordinator = self.coordinator()
        self.assertEqual(coordinator.request("GET", "/metrics", token=None)[0], 401)
        for words, status in ((["--role", "read"], 200), (["--role", "read", "--project", "e2e"], 403)):
            made = subprocess.run([harness.MAKESPAND, "token", "create", *words, "--data", coordinator.data],
                                  capture_output=True, text=True, check=True)
            token = re.search(r"msp_\w+", made.stdout)[0]
            self.assertEqual(coordinator.request("GET", "/metrics", token=token)[0], status)

    def lines(self, log):
        return [json.loads(line) for line in log.read_text().splitlines()]

    def test_the_access_log_has_every_request_and_no_secret(self):
        log = self.folder / "access.log"
        coordinator = self.coordinator(extra=["--access-log", log, "--log-format", "json"])
        self.run_suite(coordinator)
        coordinator.request("GET", "/v1/runs?run_key=hidden")
        coordinator.request("GET", "/no%20where?x=hidden", token="msp_hidden")
        seen = self.lines(log)
        self.assertEqual(set(seen[0]), {"time", "client", "method", "path", "status", "us", "in", "out"})
        self.assertIn("127.0.0.1", seen[0]["client"])
        self.assertEqual([(line["method"], line["path"], line["status"]) for line in seen[-2:]],
                         [("GET", "/v1/runs", 200), ("GET", "/no%20where", 404)])
        said = [line["path"].rsplit("/", 1)[1] for line in seen]
        for word, times in (("join", 2), ("leave", 2)):
            self.assertEqual(said.count(word), times)
        self.assertFalse(re.search(r"ms[ps]_|hidden", log.read_text()))

    @unittest.skipIf(os.geteuid() == 0 and not shutil.which("setpriv"), "root reads everything")
    def test_no_test_reads_the_token(self):
        """Neither the agent nor its keeper, which knows all that the agent did, shows it."""
        suite = self.suite(CURIOUS)
        self.folder.chmod(0o777)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        said = subprocess.run([*nobody, harness.MAKESPAN, "run", "-n", "1", "--", *self.pytest()], cwd=suite,
                              env=harness.clean_environ(MAKESPAN_TOKEN="msp_sesame", HOME=self.folder),
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)

    def test_the_access_log_can_be_rotated(self):
        log = self.folder / "access.log"
        coordinator = self.coordinator(extra=["--access-log", log])
        coordinator.request("GET", "/healthz", token=None)
        log.rename(self.folder / "access.log.1")
        coordinator.signal(signal.SIGHUP)
        coordinator.wait_for_line("certificate_loaded")
        coordinator.request("HEAD", "/readyz", token=None)
        self.assertRegex((self.folder / "access.log.1").read_text(),
                         r"^\S+Z client=\S+ method=GET path=/healthz status=200 us=\d+ in=0 out=\d+\n$")
        self.assertRegex(log.read_text(), r"^\S+Z client=\S+ method=HEAD path=/readyz status=200 us=\d+ in=0 out=0\n$")

    def test_the_access_log_has_long_paths_cut_also_in_a_pipe(self):
        coordinator = self.coordinator(extra=["--access-log", "-"])
        coordinator.request("GET", "/" + "x" * 5000)
        coordinator.wait_for_line(r"method=GET path=/x{511}\.\.\. status=4\d\d ")

    def test_an_access_log_that_nobody_reads_holds_up_nothing(self):
        log = self.folder / "pipe"
        os.mkfifo(log)
        reader = os.open(log, os.O_RDWR)
        self.addCleanup(os.close, reader)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        coordinator = self.coordinator(extra=["--access-log", log])
        for _ in range(80):  # twice what the pipe holds
            self.assertEqual(coordinator.request("GET", "/healthz", token=None)[0], 200)
        self.assertEqual(os.read(reader, 65536)[-1:], b"\n")  # whole lines

    def test_an_access_log_that_cannot_be_written_is_said_at_the_start(self):
        done = subprocess.run([harness.MAKESPAND, "--data", self.folder / "data", "--listen", "127.0.0.1:0",
                               "--access-log", self.folder / "none" / "access.log"], capture_output=True, text=True,
                              timeout=harness.PATIENCE_S)
        self.assertEqual(done.returncode, harness.OUTPUT)
        self.assertIn("access log", done.stderr)

    def test_who_started_it_is_notified(self):
        """As systemd is: when requests are served, and when it stops."""
        path = self.folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind(str(path))
            ear.settimeout(harness.PATIENCE_S)
            coordinator = self.coordinator(env={"NOTIFY_SOCKET": path})
            self.assertEqual(ear.recv(1000), b"READY=1")
            self.assertEqual(coordinator.request("GET", "/readyz", token=None)[0], 200)
            coordinator.signal(signal.SIGTERM)
            self.assertEqual(ear.recv(1000), b"STOPPING=1")
            self.assertEqual(coordinator.wait(), 0)

    def test_what_is_installed(self):
        done = subprocess.run(["cmake", "--install", harness.BUILD, "--prefix", self.folder], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for program in ("makespan", "makespand"):
            self.assertTrue(os.access(self.folder / "bin" / program, os.X_OK))
        unit = self.folder / "lib" / "systemd" / "system" / "makespand.service"
        self.assertTrue((self.folder / "lib" / "sysusers.d" / "makespand.conf").exists())
        text = unit.read_text()
        self.assertNotIn("@", text.replace("@system-service", "").replace("@privileged", ""))
        if shutil.which("systemd-analyze"):
            unit.write_text(re.sub(r"(?m)^ExecStart=.*", f"ExecStart={self.folder}/bin/makespand", text))
            for words in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=20"]):
                said = subprocess.run(["systemd-analyze", *words, unit], capture_output=True, text=True)
                self.assertEqual(said.returncode, 0, said.stdout + said.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
