"""Chromium without a window, for tests that look at pages as a reader does.

    with browser() as page:
        page.open(path.as_uri())
        assert page.complaints() == []

It reaches this machine and nothing else, so that a page that loads something from the network complains.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.needs import need

DESKTOP = (1280, 900)
PHONE = (390, 844)

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # root may not have one
    "--disable-dev-shm-usage",  # small in containers
    "--disable-gpu",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Browser:
    """One window of Chromium."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        """Load a page; return when it is complete."""
        self._driver.get(url)

    def resize(self, size: tuple[int, int]) -> None:
        """Give the window a width and height in CSS pixels; one as narrow as a phone's becomes that of a phone."""
        width, height = size
        mobile = width <= PHONE[0]
        metrics = {"width": width, "height": height, "mobile": mobile, "deviceScaleFactor": 2 if mobile else 1}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Have the system prefer "light" or "dark" pages."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def run(self, script: str, *arguments: object) -> Any:
        """Return what a function's body in JavaScript returns."""
        return self._driver.execute_script(script, *arguments)

    def wait(self, expression: str) -> None:
        """Return when an expression in JavaScript is true; fail after ten seconds."""
        self._driver.set_script_timeout(10)
        self._driver.execute_async_script(
            "const [expression, done] = arguments;"
            "(function look() { eval(expression) ? done() : setTimeout(look, 10); })();",
            expression,
        )

    def complaints(self) -> list[str]:
        """Return the errors and warnings that the console got since the last call; a file not found is one."""
        return [line["message"] for line in self._driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path: Path) -> None:
        """Write what the window shows to a PNG file."""
        self._driver.save_screenshot(str(path))


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium, and end it."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    need(all(programs), "Chromium and its driver (apt-get install chromium chromium-driver)")
    options = ChromeOptions()
    options.binary_location = str(programs[0])
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, ChromeService(programs[1]))
    try:
        yield Browser(driver)
    finally:
        with suppress(WebDriverException):  # it has crashed, which the test has seen
            driver.quit()
