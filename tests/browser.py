"""A real browser without a window, for pages that are to be seen: Chromium, driven over two pipes.

``CSPTRAIN_CHROMIUM`` names its program (any Chromium or Chrome, its headless shell too); else the path is searched.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")
SECONDS = 60.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_PICTURES = """
[...document.images].map(one => one.naturalWidth).concat(
    [...document.querySelectorAll("svg")].map(one => Math.round(one.getBoundingClientRect().width)))
"""


def find_browser() -> str | None:
    """The browser's program; None where there is none."""
    return os.environ.get("CSPTRAIN_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


@dataclass
class Seen:
    """A page as the browser has it: ``errors`` of its console, ``asked`` what it fetched, ``widths`` of its pictures.

    ``width`` is that of all that is on it, in pixels.
    """

    text: str = ""
    width: int = 0
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)


class Browser:
    """A running browser with one page."""

    def __init__(self, program: str, home: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def connect() -> None:
            ours = os.dup(to_browser), os.dup(from_browser)  # out of the way of 3 and 4
            os.dup2(ours[0], 3)
            os.dup2(ours[1], 4)

        command = [program, *_FLAGS, f"--user-data-dir={home}"]
        with (home / "browser.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=False, preexec_fn=connect
            )
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._rest = 0, b""
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def see(self, page: Path, picture: Path | None = None, width: int = 1080) -> Seen:
        """Show a page and tell what is there; ``picture`` gets all of it as PNG."""
        self._events.clear()
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self._ask("Page.navigate", url=page.resolve().as_uri())
        self._wait_for("Page.loadEventFired")
        seen = Seen(self._value("document.body.innerText"), self._value("document.documentElement.scrollWidth"))
        seen.widths = self._value(_PICTURES)
        if picture is not None:
            height = self._value("document.documentElement.scrollHeight")
            whole = {"x": 0, "y": 0, "width": seen.width, "height": height, "scale": 1}
            shot = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=whole)
            picture.write_bytes(base64.b64decode(shot["data"]))
        for event in self._events:
            _note(event["method"], event["params"], seen)
        return seen

    def _value(self, expression: str) -> Any:
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

    def _wait_for(self, method: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not any(event["method"] == method for event in self._events):
            self._events.append(self._message(deadline))

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        session = {} if self._session is None else {"sessionId": self._session}
        order = {"id": self._number, "method": method, "params": parameters, **session}
        os.write(self._write, json.dumps(order).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            message = self._message(deadline)
            if message.get("id") == self._number:
                assert "error" not in message, message
                return dict(message["result"])
            self._events.append(message)

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            part = os.read(self._read, 1 << 16) if ready else b""
            assert part, "the browser does not answer"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(message))


def _note(method: str, about: dict[str, Any], seen: Seen) -> None:
    if method == "Runtime.exceptionThrown":
        seen.errors.append(about["exceptionDetails"]["text"])
    elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
        seen.errors.append(str(about["args"]))
    elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
        seen.errors.append(about["entry"]["text"])
    elif method == "Network.requestWillBeSent" and not about["request"]["url"].startswith("data:"):
        seen.asked.append(about["request"]["url"])
