"""tls_server - HTTPS on loopback, a thread a connection, for tests that answer requests themselves."""

import http.server


def make(port, context, handle, idle_s=None, met=None):
    """A server that passes each request to handle(handler); its serve_forever is the caller's to call.

    A connection may be silent for idle_s (None: for ever), and met is told of it after its handshake.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def handle_any(self):
            handle(self)

        do_GET = do_POST = do_PUT = handle_any

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 64

        def handle_error(self, *_):
            pass  # a client that left

        def process_request_thread(self, request, address):
            try:
                request.settimeout(idle_s)
                request = context.wrap_socket(request, server_side=True)
            except OSError:
                return
            if met is not None:
                met(request)
            super().process_request_thread(request, address)

    return Server(("127.0.0.1", port), Handler)
