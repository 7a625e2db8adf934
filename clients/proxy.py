"""A proxy in front of a server, which can hold one request back."""

import http.client
import http.server
import threading
import time


class HoldingProxy:
    """Passes requests on. After `hold_next`, the next one whose target is `held` waits until `let_go`."""

    def __init__(self, port, held):
        proxy = self
        self.passed = 0
        self.held_answer = None
        self._lock = threading.Lock()
        self._hold, self._is_held, self._go = threading.Event(), threading.Event(), threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_of_kind = self.headers.get("X-Amz-Target", "").encode() == held
                with proxy._lock:
                    is_held = is_of_kind and proxy._hold.is_set()
                    if is_held:
                        proxy._hold.clear()
                if is_held:
                    proxy._is_held.set()
                    proxy._go.wait()
                connection = http.client.HTTPConnection("127.0.0.1", port)
                connection.request("POST", self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                with proxy._lock:
                    proxy.passed += is_of_kind
                    if is_held:
                        proxy.held_answer = content
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold_next(self):
        self._hold.set()

    def wait_until_held(self):
        assert self._is_held.wait(timeout=15)

    def let_go(self):
        self._go.set()

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._go.set()
        self._server.shutdown()
        self._server.server_close()


class SlowProxy:
    """Passes requests on, and each answer only after so many seconds. Counts how many are under way at once."""

    def __init__(self, port, seconds):
        proxy = self
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                proxy._count(1)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(seconds)
                connection = http.client.HTTPConnection("127.0.0.1", port)
                connection.request("POST", self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                proxy._count(-1)
                self.send_response_only(answer.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                """Somebody has not waited for an answer."""

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _count(self, more):
        with self._lock:
            self._at_once += more
            self.most_at_once = max(self.most_at_once, self._at_once)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
