"""Drivers for blocks, FIFOs, indexed registers and virtqueues: each mistake fails the tests that its page names."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

from tests.documents import plain
from tests.examples.command import EXAMPLES, environment
from tests.needs import need


@frozen
class Example:
    """A folder of `examples/`, and what its source and its tests are called."""

    folder: str
    driver: str

    @property
    def readme(self) -> str:
        """The example's page."""
        return (EXAMPLES / self.folder / "README.md").read_text()

    @property
    def found_by(self) -> dict[str, list[str]]:
        """The tests that the page names for each macro."""
        rows = re.findall(r"^\| `-D(BUG_\w+)` \| .+ \| (.+) \|$", self.readme, re.MULTILINE)
        return {bug: re.findall(r"`(test_\w+)`", tests) for bug, tests in rows}

    def run(self, directory: Path, flags: str) -> tuple[int, str]:
        """Run the driver's tests with flags for the compiler; return the status and what is printed."""
        compiler = os.environ.get("CC", "cc")
        need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
        options = "-q", "--tb=short", "-p", "no:cacheprovider", f"--basetemp={directory / 'tests'}"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"test_{self.driver}.py"],
            capture_output=True,
            text=True,
            cwd=EXAMPLES / self.folder,
            env=plain(environment()) | {f"{self.driver.upper()}_FLAGS": flags},
            check=False,
            timeout=110,
        )
        return done.returncode, done.stdout + done.stderr


ALL = [Example("queues", "lights"), Example("virtio", "upper")]
BUGS = [pytest.param(example, bug, id=f"{example.folder}-{bug}") for example in ALL for bug in example.found_by]


def without_addresses(text: str) -> str:
    """Return a text without the instructions of accesses, which are the compiler's choice."""
    return re.sub(r" at 0x[0-9a-f]+: .+", " at …", text)


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.folder)
def test_the_driver_as_it_is_passes(tmp_path: Path, example: Example) -> None:
    """All tests pass, and the compiler has no warning."""
    status, printed = example.run(tmp_path, "-Werror")
    assert status == 0, printed
    assert "3 passed" in printed


@pytest.mark.parametrize(("example", "bug"), BUGS)
def test_each_mistake_is_found(tmp_path: Path, example: Example, bug: str) -> None:
    """A mistake fails the tests that the page names and no other, with the lines that the page shows."""
    status, printed = example.run(tmp_path, f"-D{bug}")
    assert status == 1, printed
    failed = re.findall(rf"^FAILED test_{example.driver}\.py::(\w+)", printed, re.MULTILINE)
    assert failed == example.found_by[bug]
    shown = re.split(r"\n\$ |\n```", example.readme.partition(f"_FLAGS=-D{bug} pytest")[2])[0]
    lines = re.findall(r"^E .+", without_addresses(shown), re.MULTILINE)
    assert lines
    assert "\n".join(lines) in without_addresses(printed)


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.folder)
def test_every_mistake_is_in_the_tables(example: Example) -> None:
    """The macros of the source are those of the example's page, and docs/faults.md has them."""
    source = (EXAMPLES / example.folder / f"{example.driver}.c").read_text()
    planted = set(re.findall(r"\bBUG_\w+", source)) - {"BUG_"}
    page = (EXAMPLES.parent / "docs" / "faults.md").read_text()
    rows = page.partition(f"examples/{example.folder}/README.md")[2].partition("\n|")[2].partition("\n\n")[0]
    assert planted == example.found_by.keys() == set(re.findall(r"\(`(BUG_\w+)`\)", rows))
