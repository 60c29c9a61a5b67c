"""Browser: one page in a real Chromium, spoken to over its DevTools port. What a person sees, types and clicks."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

START_TIME = 60.0
SEEN_TIME = 30.0  # a page that shows nothing by then will not
_LOOK = 0.05  # seconds between looks at the page


class NotSeen(AssertionError):
    """The page did not show what was waited for; the text ends with what it shows."""


def chromium() -> str | None:
    """Where Chromium is, if this machine has it."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """A page. Elements are named by CSS selectors; text is what `innerText` says."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._order("Page.enable")

    def open(self, url: str) -> None:
        self._order("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; None while it has none."""
        answer = self._order("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    @property
    def text(self) -> str:
        return self.evaluate("document.body?.innerText") or ""

    def wait_for(self, pattern: str, seconds: float = SEEN_TIME) -> None:
        """Until the page shows text like this."""
        self._wait(lambda: re.search(pattern, self.text) is not None, pattern, seconds)

    def wait_without(self, pattern: str, seconds: float = SEEN_TIME) -> None:
        """Until the page shows no text like this, but something."""
        self._wait(lambda: bool(text := self.text) and not re.search(pattern, text), f"no {pattern}", seconds)

    def type(self, selector: str, text: str) -> None:
        """Click into a field and type; `text` may end with a newline, which is the Enter key."""
        self.click(selector)
        self._order("Input.insertText", text=text.removesuffix("\n"))
        if text.endswith("\n"):
            for kind in ("keyDown", "keyUp"):
                self._order("Input.dispatchKeyEvent", type=kind, key="Enter", windowsVirtualKeyCode=13, text="\r")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element."""
        found = f"document.querySelector({json.dumps(selector)})"
        self._wait(lambda: self.evaluate(f"{found} !== null"), selector, SEEN_TIME)
        box = self.evaluate(f"{found}.scrollIntoView(), {found}.getBoundingClientRect().toJSON()")
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self._order("Input.dispatchMouseEvent", type=kind, **place)

    def screenshot(self, path: Path) -> None:
        self._order("Page.bringToFront")
        path.write_bytes(base64.b64decode(self._order("Page.captureScreenshot", format="png")["data"]))

    def _wait(self, true: Any, what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise NotSeen(f"not seen in {seconds} s: {what}\nThe page shows:\n{self.text}")
            time.sleep(_LOOK)

    def _order(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(timeout=SEEN_TIME))).get("id") != number:
            pass  # an event: nobody asked
        if "error" in answer:
            raise NotSeen(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result


@contextlib.contextmanager
def browser(pages: int = 1) -> Iterator[list[Browser]]:
    """Chromium with that many pages, until the end of the block."""
    executable = chromium()
    assert executable is not None, "there is no chromium here"
    profile = Path(tempfile.mkdtemp(prefix="newcomer-"))
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    command = [executable, *options, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with contextlib.ExitStack() as sockets:
            yield [Browser(sockets.enter_context(_page(process, profile))) for _ in range(pages)]
    finally:
        process.terminate()
        process.wait(START_TIME)
        shutil.rmtree(profile, ignore_errors=True)


def _page(process: subprocess.Popen[bytes], profile: Path) -> ClientConnection:
    """A socket to a new page."""
    told = profile / "DevToolsActivePort"
    deadline = time.monotonic() + START_TIME
    while not told.exists() or len(lines := told.read_text().split()) < 2:
        assert process.poll() is None, "chromium ended"
        assert time.monotonic() < deadline, "chromium did not start"
        time.sleep(_LOOK)
    port, path = lines
    with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as whole:
        whole.send(
            json.dumps({"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank", "newWindow": True}})
        )
        while (answer := json.loads(whole.recv(timeout=SEEN_TIME))).get("id") != 1:
            pass
    return connect(f"ws://127.0.0.1:{port}/devtools/page/{answer['result']['targetId']}", max_size=None)
