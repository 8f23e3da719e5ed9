"""relay - stands between agents and a coordinator, with its certificate, and keeps what they say.

    with relay.Relay(coordinator) as between:
        self.makespan([...], between)
    between.exchanges

Not for: faults on the way (tests/net/rough_coordinator.py).
"""

import http.client
import pathlib
import ssl
import sys
import threading

import described

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tls_server  # noqa: E402

PATIENCE_S = 60
HOP = ("connection", "transfer-encoding", "content-length", "date", "server", "keep-alive")


class Relay:
    def __init__(self, coordinator):
        self.coordinator = coordinator
        self.exchanges = []
        self.ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ours.load_cert_chain(coordinator.data / "server.pem", coordinator.data / "server.key")
        self.theirs = ssl.create_default_context(cafile=coordinator.data / "ca.pem")
        self.server = tls_server.make(0, self.ours, self.pass_on)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def environ(self):
        return {**self.coordinator.environ(), "MAKESPAN_URL": f"https://127.0.0.1:{self.server.server_address[1]}"}

    def pass_on(self, handler):
        headers = {name.lower(): text for name, text in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", 0)))
        way = http.client.HTTPSConnection("127.0.0.1", self.coordinator.port, timeout=PATIENCE_S, context=self.theirs)
        try:
            way.request(handler.command, handler.path, body if handler.command != "GET" else None,
                        {name: text for name, text in headers.items() if name not in HOP})
            answer = way.getresponse()
            content = answer.read()
        finally:
            way.close()
        said = {name.lower(): text for name, text in answer.getheaders()}
        self.exchanges.append(described.Exchange(handler.command, handler.path, headers, body, answer.status, said,
                                                 content))
        handler.send_response_only(answer.status)
        for name, text in answer.getheaders():
            if name.lower() not in HOP:
                handler.send_header(name, text)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
