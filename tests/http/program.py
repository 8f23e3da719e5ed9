"""A real makespand and a client of its API."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tempfile

from peer import BUILD, PATIENCE_S

MAKESPAND = BUILD / "coordinator" / "makespand"


def run(*words, **kwargs):
    """makespand with these words, to its end."""
    return subprocess.run([str(MAKESPAND), *map(str, words)], capture_output=True, text=True, check=False,
                          timeout=PATIENCE_S, env=environ(), **kwargs)


def environ(**extra):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKESPAN")}
    return kept | extra


class Makespand:
    def __init__(self, *words, folder=None, **extra):
        self.folder = folder or tempfile.mkdtemp(prefix="msp-api-")
        self.log_path = pathlib.Path(self.folder, "log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(MAKESPAND), "--data", f"{self.folder}/data", "--listen", "127.0.0.1:0", *map(str, words)],
                stdout=subprocess.PIPE, stderr=log, text=True, env=environ(**extra))
        self.said = self.process.stdout.readline()
        if not self.said.startswith("makespand: listening on "):
            raise AssertionError(f"{self.said!r} {self.log_path.read_text()}")
        while not (line := self.process.stdout.readline()).startswith("  export MAKESPAN_TOKEN="):
            self.said += line
        self.said += line
        self.exports = dict(line.strip().removeprefix("export ").split("=", 1)
                            for line in self.said.splitlines() if line.startswith("  export "))
        self.token = self.exports["MAKESPAN_TOKEN"].split()[0]
        self.url = self.exports["MAKESPAN_URL"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self, signo=signal.SIGTERM, keep=False):
        self.process.send_signal(signo)
        status = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        if status not in (0, -signo):
            print(self.log_path.read_text())
        if not keep:
            shutil.rmtree(self.folder)
        return status

    def context(self):
        return ssl.create_default_context(cafile=f"{self.folder}/data/ca.pem")

    def connection(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S, context=self.context())

    def send(self, method, path, body=None, token="", **headers):
        """A connection on which the request was sent and its answer was not yet read."""
        connection = self.connection()
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
        if token is not None:
            fields["Authorization"] = f"Bearer {token or self.token}"
        connection.request(method, path, body, fields)
        return connection

    def ask(self, method, path, body=None, token="", **headers):
        connection = self.send(method, path, body, token, **headers)
        try:
            response = connection.getresponse()
            response.content = response.read()
        finally:
            connection.close()
        return response

    def join(self, run_key, **more):
        answer = self.ask("POST", "/v1/join", {
            "project": "p", "suite": "s", "run_key": run_key, "instance": "job 1", "nonce": "n" * 26,
            "fingerprint": "f", "command": "c", "version": "0.1.0", "workers": 1} | more)
        if answer.status != 200:
            raise AssertionError(answer.content)
        return json.loads(answer.content)
