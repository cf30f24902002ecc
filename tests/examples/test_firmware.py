"""The firmware: its own tests pass, and find each mistake that is planted in it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmio import SvdFile
from tests.documents import Page, assert_runs, plain
from tests.examples.command import EXAMPLES, environment
from tests.needs import need

FIRMWARE = EXAMPLES / "firmware"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
FOUND_BY = {
    "BUG_LOST_CHARACTER": {"test_a_character_may_come_as_soon_as_the_last_one_is_read"},
    "BUG_MISSED_NACK": {"test_what_is_written_over_pages_is_there", "test_settings_outlive_the_power"},
    "BUG_BAUD": {"test_the_baud_rate_is_within_one_percent"},
    "BUG_RESERVED_BIT": {"test_reserved_bits_stay_as_they_are_after_reset"},
}
"""The tests of test_firmware.py that find each mistake."""
IN_C: dict[str, set[str]] = {
    "": set(),
    "BUG_LOST_CHARACTER": {"commands", "settings"},
    "BUG_MISSED_NACK": {"settings"},
    "BUG_BAUD": {"baud"},
    "BUG_RESERVED_BIT": {"clock"},
}
"""The tests of program/selftest.c that find each mistake."""
BY_MACHINE = {"BUG_NO_TIMEOUT"}
"""Found by firmware_machine.py: see test_machines.py."""
ALL_IN_C = {"clock", "baud", "commands", "delay", "settings"}


def copy_to(directory: Path) -> Path:
    """Copy the example, so that nothing is left where it is. Skips without a C compiler."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    return shutil.copytree(FIRMWARE, directory / "firmware", ignore=shutil.ignore_patterns("*.so", "__pycache__"))


def run_tests(directory: Path, flags: str, *options: str) -> tuple[int, str]:
    """Run the example's tests in a copy of it, with flags for the compiler; return pytest's status and output."""
    copy = copy_to(directory)
    done = subprocess.run(
        [*PYTEST, f"--basetemp={directory / 'tests'}", *options],
        capture_output=True,
        text=True,
        cwd=copy,
        env=plain(environment()) | {"FIRMWARE_FLAGS": flags, "COLUMNS": "80"},
        check=False,
        timeout=110,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_firmware_works(tmp_path: Path) -> None:
    """Without a planted mistake every test passes, and nothing is skipped."""
    status, output = run_tests(tmp_path, "-Werror")
    assert status == 0, output
    assert re.search(r"^\d+ passed in ", output, re.MULTILINE)


@pytest.mark.parametrize("bug", FOUND_BY)
def test_a_planted_bug_is_found(tmp_path: Path, bug: str) -> None:
    """The tests made for it fail, and no others."""
    status, output = run_tests(tmp_path, f"-D{bug}")
    assert status == 1, output
    assert set(re.findall(r"^FAILED test_firmware\.py::(\w+)", output, re.MULTILINE)) == FOUND_BY[bug]


@pytest.fixture(scope="session")
def multilib() -> None:
    """Skip where the compiler makes no 32-bit programs."""
    made = subprocess.run(
        [os.environ.get("CC", "cc"), "-m32", "-x", "c", "-", "-o", "/dev/null"],
        input="#include <stdio.h>\nint main(void) { return 0; }",
        capture_output=True,
        text=True,
        check=False,
    )
    need(made.returncode == 0, "a compiler for 32-bit programs with their C library (apt-get install gcc-multilib)")


@pytest.mark.parametrize("bug", IN_C)
@pytest.mark.parametrize(("engine", "width"), [("ptrace", "-m64"), ("inprocess", "-m64"), ("ptrace", "-m32")])
def test_the_program_finds_them_too(tmp_path: Path, multilib: None, engine: str, width: str, bug: str) -> None:
    """Its tests in C, under `pagetrap run`; a program of 32 bits cannot be hosted."""
    copy = copy_to(tmp_path)
    make = "import sys; from pathlib import Path; from board import build_program; build_program(Path(), *sys.argv[1:])"
    flags = [width, "-Werror", *([f"-D{bug}"] if bug else [])]
    subprocess.run([sys.executable, "-c", make, *flags], cwd=copy, env=plain(environment()), check=True)
    whole = [sys.executable, "-m", "mmio", "run", "-q", f"--engine={engine}", "--svd", "chip.svd"]
    whole += ["--board", "board.py:connect_terminal", "--", "./selftest"]
    done = subprocess.run(
        whole, cwd=copy, env=plain(environment()), capture_output=True, text=True, check=False, timeout=110
    )
    assert done.stderr == ""
    assert set(re.findall(r"^FAILED (\w+)$", done.stdout, re.MULTILINE)) == IN_C[bug]
    assert set(re.findall(r"^ok +(\w+)$", done.stdout, re.MULTILINE)) == ALL_IN_C - IN_C[bug]
    assert bool(done.returncode) == bool(bug)


def test_the_few_lines_of_the_page_run(tmp_path: Path) -> None:
    """They print nothing, because what they assert is so."""
    blocks = Page("examples/firmware/README.md").blocks
    assert [block.language for block in blocks] == ["python"]
    assert_runs(blocks, copy_to(tmp_path))


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    """The report of the reserved bit, but for what differs from compiler to compiler and from run to run."""
    shown = (FIRMWARE / "README.md").read_text().split("--tb=short\n")[1].split("```")[0]
    _, printed = run_tests(tmp_path, "-DBUG_RESERVED_BIT", "--tb=short")
    assert [without_figures(line) for line in printed.split("\n")] == [
        without_figures(line) for line in shown.split("\n")
    ]


def without_figures(line: str) -> str:
    return re.sub(r"\+0x[0-9a-f]+|in [0-9.]+s", "…", line)


def test_every_planted_bug_is_listed() -> None:
    """The macros in the sources are those tried here, and those the page names."""
    planted = {bug for source in FIRMWARE.glob("*.c") for bug in re.findall(r"\bBUG_\w+", source.read_text())}
    assert planted == FOUND_BY.keys() | BY_MACHINE
    assert planted <= set(re.findall(r"BUG_\w+", (FIRMWARE / "README.md").read_text()))


def test_the_description_is_of_one_piece() -> None:
    """Nothing in chip.svd is wrong; what the classes are not is their interrupts, which the board wires."""
    chip = SvdFile(FIRMWARE / "chip.svd", warn=False)
    for name in chip:
        assert chip[name]().layout.places
    assert {str(note).split()[1] for note in chip.notes} == {"interrupt"}
