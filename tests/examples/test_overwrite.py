"""The example that finds who overwrites a field."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.native import ROOT

HERE = ROOT / "examples" / "overwrite"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("overwrite_find", HERE / "find.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _line(text: str) -> int:
    """The number of the one line of meter.c that has a text."""
    (number,) = (n for n, line in enumerate((HERE / "meter.c").read_text().splitlines(), 1) if text in line)
    return number


def test_it_finds_the_store_that_goes_one_too_far(example: ModuleType, tmp_path: Path) -> None:
    """The limit is set once and destroyed once, by the terminator of a name that is cut; the line is the bug's."""
    configured, destroyed = example.find(example.build(tmp_path))
    assert (configured.function, configured.value) == ("meter_configure", 230)
    assert (destroyed.function, destroyed.line) == ("meter_rename", f"meter.c:{_line('label[length] =')}")
    assert (destroyed.old, destroyed.new, destroyed.offset) == (b"\xe6", b"\0", 0)


def test_the_bug_is_there_without_us(example: ModuleType, tmp_path: Path) -> None:
    """What is found is what the library does by itself: the alarm goes off, and the limit is gone."""
    library = example.build(tmp_path)
    meter = library.meter_get(2)
    assert example.use(library, meter)
    assert library.meter_limit(meter).contents.value == 0


def test_the_program_prints_what_its_readme_shows() -> None:
    """It says so on the screen, as its README shows."""
    done = subprocess.run([sys.executable, HERE / "find.py"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    shown = (HERE / "README.md").read_text()
    assert done.stdout.splitlines()[0] in shown
    assert f"meter_rename meter.c:{_line('label[length] =')}" in done.stdout
    assert f"meter_rename meter.c:{_line('label[length] =')}" in shown
