"""A headless Chromium, driven over the WebDriver protocol (w3.org/TR/webdriver2).

chromedriver is a small HTTP server, so no library is needed. Where the programs are missing, `browser` says how to get
them, as `tests.needs.need` does.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.needs import need

_SWITCHES: Final = (
    "--headless=new",
    "--no-sandbox",  # it does not start for root with one
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # what loads anything from the network complains
)
_PHONE: Final = {"width": 390, "height": 844}
_DESKTOP: Final = {"width": 1280, "height": 900}
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's identifier (WebDriver, 12.2)
_KEYS: Final = {
    "Tab": "\ue004",
    "PageUp": "\ue00e",
    "PageDown": "\ue00f",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowUp": "\ue013",
    "ArrowDown": "\ue015",
}
_TIMEOUT: Final = 100  # seconds a command may take, on a machine that has much else to do


class Browser:
    """One window.

    Args:
        url: of the session.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def open(self, page: Path | str) -> None:
        """Load a file, or what is at an address, until its `load` event."""
        self._call("POST", "/url", {"url": page.as_uri() if isinstance(page, Path) else page})

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page and return what it returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, *arguments: object) -> Any:
        """Run the body of an asynchronous function and return what it returns, when it does."""
        body = "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
        body += (
            "(async function () {"
            + script
            + "}).apply(null, given).then(done, (error) => done({failed: String(error)}));"
        )
        result = self._call("POST", "/execute/async", {"script": body, "args": list(arguments)})
        assert not (isinstance(result, dict) and "failed" in result), result
        return result

    def look(self, *, phone: bool = False, dark: bool = False) -> None:
        """Take the size of a phone or a desktop, and light or dark colours."""
        size = _PHONE if phone else _DESKTOP
        self._devtools("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": 1, "mobile": phone})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def type(self, css: str, text: str) -> None:
        """Type into an element."""
        self._call("POST", f"/element/{self._find(css)}/value", {"text": text})

    def keys(self, *names: str) -> None:
        """Press and release keys, each by a character or its name in DOM events, where the focus is."""
        presses = [{"type": kind, "value": _KEYS.get(name, name)} for name in names for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": presses})

    def click_at(self, css: str, x: float, y: float) -> None:
        """Click at a point of an element, counted from its upper left corner."""
        self._drag([self._point(css, x, y)])

    def drag(self, css: str, start: float, end: float) -> None:
        """Drag across an element at half its height, from one share of its width to another."""
        size = (
            "const box = document.querySelector(arguments[0]).getBoundingClientRect(); return [box.width, box.height]"
        )
        width, height = self.run(size, css)
        self._drag([self._point(css, width * share, height / 2) for share in (start, (start + end) / 2, end)])

    @contextmanager
    def frame(self, css: str) -> Iterator[None]:
        """Run scripts in a frame of the page during the `with` statement."""
        self._call("POST", "/frame", {"id": {_ELEMENT: self._find(css)}})
        try:
            yield
        finally:
            self._call("POST", "/frame", {"id": None})

    def errors(self) -> list[str]:
        """Return what the console has had to complain about since the last call."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path: Path) -> None:
        """Write what the window shows to a PNG file."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def _find(self, css: str) -> str:
        found: dict[str, str] = self._call("POST", "/element", {"using": "css selector", "value": css})
        return found[_ELEMENT]

    def _point(self, css: str, x: float, y: float) -> tuple[int, int]:
        """Return a point of an element as one of the window."""
        corner = "const box = document.querySelector(arguments[0]).getBoundingClientRect(); return [box.left, box.top]"
        left, top = self.run(
            f"document.querySelector(arguments[0]).scrollIntoView({{block: 'nearest'}}); {corner}", css
        )
        return round(left + x), round(top + y)

    def _drag(self, points: Sequence[tuple[int, int]]) -> None:
        moves = [{"type": "pointerMove", "x": x, "y": y, "duration": 0} for x, y in points]
        press, release = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        self._act({"type": "pointer", "id": "mouse", "actions": [moves[0], press, *moves[1:], release]})

    def _act(self, actions: Mapping[str, Any]) -> None:
        self._call("POST", "/actions", {"actions": [actions]})

    def _devtools(self, command: str, parameters: Mapping[str, Any]) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return call(method, self._url + path, body)


def call(method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
    """Send a command to a WebDriver and return its value; fail with its message."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=_TIMEOUT) as answer:
            return json.load(answer)["value"]
    except HTTPError as error:
        raise AssertionError(json.load(error)["value"]["message"]) from None


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a Chromium, and end it after the `with` statement.

    Args:
        profile: an empty folder for its files.
    """
    need(
        shutil.which("chromedriver") and shutil.which("chromium"), "Chromium (apt-get install chromium chromium-driver)"
    )
    command = ["chromedriver", "--port=0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as driver:
        assert driver.stdout is not None
        try:
            started = next(line for line in driver.stdout if "started successfully on port" in line)
            server = f"http://127.0.0.1:{started.rpartition(' ')[2].strip().rstrip('.')}"
            options = {"args": [*_SWITCHES, f"--user-data-dir={profile}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}, "browserName": "chrome"}
            session = call("POST", f"{server}/session", {"capabilities": {"alwaysMatch": wanted}})
            url = f"{server}/session/{session['sessionId']}"
            try:
                yield Browser(url)
            finally:
                call("DELETE", url)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)  # the browser as well, where it has not ended when asked to
