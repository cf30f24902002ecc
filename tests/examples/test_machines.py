"""The state machines of the examples: they pass, find the mistake that is planted, and print what the page shows."""

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

PAGE = EXAMPLES.parent / "docs" / "faults.md"
MACHINES = {
    "uart16550/uart_machine.py": ("UART_FLAGS", "BUG_SPURIOUS_INTERRUPT"),
    "nic/nic_machine.py": ("NIC_FLAGS", "BUG_CLEARS_UNSEEN"),
    "firmware/firmware_machine.py": ("FIRMWARE_FLAGS", "BUG_NO_TIMEOUT"),
}


def run(machine: str, directory: Path, **more: str) -> tuple[int, str]:
    """Run a machine under pytest, in a copy of its folder; return the status and what is printed."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    folder, _, file = machine.partition("/")
    copy = shutil.copytree(EXAMPLES / folder, directory / folder, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", file],
        capture_output=True,
        text=True,
        cwd=copy,
        env=plain(environment()) | {"COLUMNS": "120", "TMPDIR": str(directory)} | more,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("machine", MACHINES)
def test_the_driver_as_it_is_passes(machine: str, tmp_path: Path) -> None:
    """Whatever faults are drawn for it."""
    status, printed = run(machine, tmp_path)
    assert status == 0, printed
    assert "1 passed" in printed


@pytest.mark.timeout(400)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_planted_mistake_is_found_by_the_run_on_the_page(machine: str, tmp_path: Path) -> None:
    """What is printed as a test is, to the letter, what docs/faults.md shows for it."""
    flags, bug = MACHINES[machine]
    status, printed = run(machine, tmp_path, **{flags: f"-D{bug}"})
    assert status == 1, printed
    found = re.search(r"^E   def test_found\(\):\n(?:E       .*\n)+", printed, re.MULTILINE)
    assert found is not None, printed
    block = "".join(f"{line[4:]}\n" for line in found[0].splitlines())
    page = PAGE.read_text()
    shown = re.search(rf"`{flags}=-D{bug}`.*?^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert shown is not None
    assert block == shown[1]
