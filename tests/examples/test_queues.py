"""Three mistakes of a driver with queues and an index register: each fails the test that the page names."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import plain
from tests.examples.command import EXAMPLES, environment
from tests.needs import need

FOLDER = EXAMPLES / "queues"
README = (FOLDER / "README.md").read_text()
FOUND_BY = dict(re.findall(r"^\| `-D(BUG_\w+)` \| .+ \| `(\w+)` \|$", README, re.MULTILINE))


def run(directory: Path, flags: str) -> tuple[int, str]:
    """Run the driver's tests with flags for the compiler; return the status and what is printed."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    options = "-q", "--tb=short", "-p", "no:cacheprovider", f"--basetemp={directory / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_lights.py"],
        capture_output=True,
        text=True,
        cwd=FOLDER,
        env=plain(environment()) | {"LIGHTS_FLAGS": flags},
        check=False,
        timeout=110,
    )
    return done.returncode, done.stdout + done.stderr


def without_addresses(text: str) -> str:
    """Return a text without the instructions of accesses, which are the compiler's choice."""
    return re.sub(r" at 0x[0-9a-f]+: .+", " at …", text)


def test_the_driver_as_it_is_passes(tmp_path: Path) -> None:
    """All tests pass, and the compiler has no warning."""
    status, printed = run(tmp_path, "-Werror")
    assert status == 0, printed
    assert f"{len(FOUND_BY)} passed" in printed


@pytest.mark.parametrize("bug", FOUND_BY)
def test_each_mistake_is_found(tmp_path: Path, bug: str) -> None:
    """A mistake fails its own test and no other, with the lines that the page shows."""
    status, printed = run(tmp_path, f"-D{bug}")
    assert status == 1, printed
    assert re.findall(r"^FAILED test_lights\.py::(\w+)", printed, re.MULTILINE) == [FOUND_BY[bug]]
    shown = README.partition(f"LIGHTS_FLAGS=-D{bug} pytest")[2].partition("\n$ ")[0].partition("```")[0]
    lines = re.findall(r"^E .+", without_addresses(shown), re.MULTILINE)
    assert lines
    assert "\n".join(lines) in without_addresses(printed)


def test_every_mistake_is_in_the_tables() -> None:
    """The macros of the source are those of the example's page, and docs/faults.md has them."""
    planted = set(re.findall(r"\bBUG_\w+", (FOLDER / "lights.c").read_text())) - {"BUG_"}
    page = (EXAMPLES.parent / "docs" / "faults.md").read_text().partition("examples/queues/README.md")[2]
    assert planted == FOUND_BY.keys() == set(re.findall(r"\(`(BUG_\w+)`\)", page))
