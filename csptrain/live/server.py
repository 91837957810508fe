"""Streams for programs and browsers on this machine: detections as JSON, frames as MJPEG.

A server listens on the loopback address only and answers requests that are addressed to it, so that no page from
elsewhere can look through the camera. It serves ``MOST`` at a time; one that does not read is dropped.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from csptrain.errors import DataError

LOOPBACK = "127.0.0.1"
#: Who may listen at once, and for how many seconds nobody may keep a message waiting.
MOST, PATIENCE = 8, 10.0
_KNOWN_HOSTS = ("127.0.0.1", "localhost")
_KEPT_FRAMES, _KEPT_RECORDS = 1, 256
_BOUNDARY = "csptrain"


class Messages:
    """The newest messages of a run; who reads slowly misses some."""

    def __init__(self, keep: int) -> None:
        self._kept: deque[bytes] = deque(maxlen=keep)
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    def send(self, message: bytes) -> None:
        """Hand a message to all who wait."""
        with self._changed:
            self._kept.append(message)
            self._count += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Tell all who wait that no more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def listen(self) -> Iterator[bytes]:
        """Messages from now on, until the end."""
        with self._changed:
            seen = self._count
        while True:
            messages, seen = self._after(seen)
            if not messages:
                return
            yield from messages

    def _after(self, seen: int) -> tuple[list[bytes], int]:
        """What came after the first ``seen`` messages, as far as it is kept, and their number now; waits for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._count > seen)
            fresh = min(self._count - seen, len(self._kept))
            return list(self._kept)[len(self._kept) - fresh :], self._count


class Broadcast(ThreadingHTTPServer):
    """Sends what it is given to everyone who asks; see the module for its limits."""

    content_type = "application/octet-stream"
    kept = 1

    def __init__(self, port: int) -> None:
        """Listen; port 0 takes any that is free. Raises DataError where that cannot be."""
        self.messages = Messages(self.kept)
        self.seats = threading.BoundedSemaphore(MOST)
        try:
            super().__init__((LOOPBACK, port), _Listener)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"port {port} cannot be opened: {reason}") from None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """What a browser is told."""
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def wrap(self, messages: Iterator[bytes]) -> Iterator[bytes]:
        """The body of an answer."""
        return messages

    def finish(self) -> None:
        """End all answers, give the readers a moment, and stop listening."""
        self.messages.close()
        for _ in range(MOST):
            self.seats.acquire(timeout=1)
        self.shutdown()
        self.server_close()


class _Listener(BaseHTTPRequestHandler):
    """One who listens."""

    timeout = PATIENCE
    server: Broadcast

    def do_GET(self) -> None:
        """Answer until the run or the patience ends."""
        if self.headers.get("Host", "").partition(":")[0] not in _KNOWN_HOSTS:
            self.send_error(403, "address this server as localhost")
        elif not self.server.seats.acquire(blocking=False):
            self.send_error(503, f"{MOST} are listening already")
        else:
            try:
                self._answer()
            except OSError:  # the other side has gone, or does not read
                self.close_connection = True
            finally:
                self.server.seats.release()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", self.server.content_type)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        for part in self.server.wrap(self.server.messages.listen()):
            self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal belongs to the run."""


class JsonBroadcast(Broadcast):
    """A list of Darknet's frame records that grows, as its -json_port."""

    content_type = "application/json"
    kept = _KEPT_RECORDS

    def send(self, record: dict[str, object]) -> None:
        """One frame."""
        self.messages.send(json.dumps(record).encode())

    def wrap(self, messages: Iterator[bytes]) -> Iterator[bytes]:
        yield b"[\n"
        for number, message in enumerate(messages):
            yield (b", \n" if number else b"") + message
        yield b"\n]\n"


class MjpegBroadcast(Broadcast):
    """The newest frame as JPEG, again and again, as Darknet's -mjpeg_port: a browser shows it as a film."""

    content_type = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
    kept = _KEPT_FRAMES

    def send(self, jpeg: bytes) -> None:
        """One frame."""
        self.messages.send(jpeg)

    def wrap(self, messages: Iterator[bytes]) -> Iterator[bytes]:
        for jpeg in messages:
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + b"\r\n"


@contextmanager
def broadcasting(server: Broadcast) -> Iterator[None]:
    """Finish a server in the end."""
    try:
        yield
    finally:
        server.finish()
