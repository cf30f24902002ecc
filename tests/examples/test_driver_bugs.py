"""Ten mistakes of a driver: each is found by the test that the page names, in as many lines as it says."""

import ast
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

FOLDER = EXAMPLES / "driver_bugs"
README = (FOLDER / "README.md").read_text()
FOUND_BY = dict(re.findall(r"^\| `-D(BUG_\w+)` \| `(\w+)` \|$", README, re.MULTILINE))
PAGE = EXAMPLES.parent / "docs" / "faults.md"
ROW = re.compile(r"^\| .+ \| .+ \| `(test_\w+)`: (?:`(.*)`|.*) \| (\d+) \|$", re.MULTILINE)


def run(directory: Path, flags: str, tests: str = "test_disk.py") -> tuple[int, str]:
    """Run the tests, or one, with flags for the compiler; return the status and what is printed."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={directory / 'tests'}", tests],
        capture_output=True,
        text=True,
        cwd=shutil.copytree(FOLDER, directory / "bugs", ignore=shutil.ignore_patterns("__pycache__")),
        env=plain(environment()) | {"DISK_FLAGS": flags},
        check=False,
        timeout=110,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_driver_as_it_is_passes(tmp_path: Path) -> None:
    """Under every fault of the tests."""
    status, printed = run(tmp_path, "-Werror")
    assert status == 0, printed


@pytest.mark.parametrize("bug", FOUND_BY)
def test_each_mistake_is_found(tmp_path: Path, bug: str) -> None:
    """By its test."""
    status, printed = run(tmp_path, f"-D{bug}", f"test_disk.py::{FOUND_BY[bug]}")
    assert status == 1, printed
    assert FOUND_BY[bug] in re.findall(r"^FAILED test_disk\.py::(\w+)", printed, re.MULTILINE)


def test_a_stale_address_is_told(tmp_path: Path) -> None:
    """By the map of what the disk may use, which knows what the address was."""
    status, printed = run(tmp_path, "-DBUG_STALE_DMA", "test_disk.py::test_stale_dma_address")
    assert status == 1
    assert re.search(
        r"DmaError: write of 64 bytes at address 0x\w+ by Disk: the address is stale: .+ was mapped", printed
    )


def test_every_mistake_is_in_the_tables() -> None:
    """Those of the source, of the example's page, and of docs/faults.md, are the same."""
    planted = set(re.findall(r"\bBUG_\w+", (FOLDER / "disk.c").read_text())) - {"BUG_"}
    assert planted == FOUND_BY.keys()
    assert {test for test, _, _ in ROW.findall(PAGE.read_text())} == set(FOUND_BY.values())


def test_the_lines_are_counted() -> None:
    """And the fault that the table shows is the one of the test."""
    source = (FOLDER / "test_disk.py").read_text()
    bodies = {
        node.name: (node, ast.get_source_segment(source, node))
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    for test, fault, lines in ROW.findall(PAGE.read_text()):
        node, text = bodies[test]
        assert node.end_lineno is not None
        written = text.splitlines()[node.body[0].lineno - node.lineno :] if text else []
        assert sum(bool(line.strip()) for line in written) == int(lines), test
        assert fault == "" or fault.startswith("DriverMachine") or f'"{fault}"' in (text or ""), test
