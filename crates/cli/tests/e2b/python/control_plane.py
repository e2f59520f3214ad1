"""A stub of E2B's control plane: it hands out one sandbox, the agent that runs beside it.

    python control_plane.py PORT ENVD_VERSION TOKEN_FILE

SDKs up to 2.45 create by `POST /sandboxes`, newer ones by `POST /v2/sandboxes`.
"""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API_KEY = "e2b_" + "0" * 40
SANDBOX_ID = "iagent0sandbox0beside0it"
NEW = re.compile(r"/(v2/)?sandboxes")
CONNECT = re.compile(rf"/(v2/)?sandboxes/{SANDBOX_ID}/connect")


class ControlPlane(BaseHTTPRequestHandler):
    """Answers what the SDKs ask for a sandbox's life, and 404 to all else."""

    protocol_version = "HTTP/1.1"
    sandbox: dict[str, Any]

    def do_POST(self) -> None:
        self._drain()
        if NEW.fullmatch(self.path):
            self._answer(201, self.sandbox)
        elif CONNECT.fullmatch(self.path):
            self._answer(200, self.sandbox)
        else:
            self._not_found()

    def do_DELETE(self) -> None:
        if self.path == f"/sandboxes/{SANDBOX_ID}":
            self._answer(204, None)
        else:
            self._not_found()

    def do_GET(self) -> None:
        self._not_found()

    def _drain(self) -> None:
        """Reads the body, of a known length or in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while (size := int(self.rfile.readline().split(b";")[0], 16)) > 0:
            self.rfile.read(size + 2)
        self.rfile.readline()

    def _not_found(self) -> None:
        self._answer(404, {"code": 404, "message": f"the stub has no {self.command} {self.path}"})

    def _answer(self, status: int, body: dict[str, Any] | None) -> None:
        if self.headers.get("X-API-KEY") != API_KEY:
            status, body = 401, {"code": 401, "message": "wrong API key"}
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main() -> None:
    port, envd_version, token_file = sys.argv[1:]
    with open(token_file, encoding="utf-8") as file:
        token = file.read().strip()
    ControlPlane.sandbox = {
        "sandboxID": SANDBOX_ID,
        "templateID": "base",
        "clientID": "stub",
        "envdVersion": envd_version,
        "envdAccessToken": token,
        "domain": None,
    }
    ThreadingHTTPServer(("127.0.0.1", int(port)), ControlPlane).serve_forever()


if __name__ == "__main__":
    main()
