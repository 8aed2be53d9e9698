"""`python -m tests.bench.sink`: takes every mail at once and keeps none. Prints its port; ends with its standard input."""

from __future__ import annotations

import socketserver
import sys
import threading

TAKEN = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: m\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Taker(socketserver.StreamRequestHandler):
    """Reads one request whole."""

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        self.wfile.write(TAKEN)


class Sink(socketserver.ThreadingTCPServer):
    """Listens on the loopback address."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Serve until standard input closes."""
    with Sink(("127.0.0.1", 0), Taker) as sink:
        sys.stdout.write(f"{sink.server_address[1]}\n")
        sys.stdout.flush()
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
