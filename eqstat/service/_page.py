"""Status page and metrics, by the standard library's server of HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

POLICY = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'"
FILES = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript")}


class Page:
    """Server of the status page, of `/status.json` and `/metrics`; it only reads.

    Parameters
    ----------
    host, port
        Where it listens; 0 takes a free port.
    status
        Gives the status, plain values.
    metrics
        Gives the text of Prometheus.

    Examples
    --------
    >>> page = Page("127.0.0.1", 0, lambda: {}, lambda: "")
    >>> page.port > 0
    True
    >>> page.stop()
    """

    def __init__(
        self,
        host: str,
        port: int,
        status: Callable[[], dict[str, Any]],
        metrics: Callable[[], str],
    ) -> None:
        folder = resources.files("eqstat.service") / "page"
        files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

        class Handler(BaseHTTPRequestHandler):
            timeout = 10.0

            def do_GET(self) -> None:
                """Answer one of the known paths."""
                if self.path in files:
                    body, kind = files[self.path]
                elif self.path == "/status.json":
                    body, kind = json.dumps(status()).encode(), "application/json"
                elif self.path == "/metrics":
                    body, kind = metrics().encode(), "text/plain; version=0.0.4"
                else:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("X-Content-Type-Options", "nosniff")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: requests are no news of the service."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
