"""The fragments of the change log, as towncrier takes them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native import ROOT

FRAGMENTS = sorted(path for path in (ROOT / "newsfragments").glob("*") if path.name != "README.md")


def draft(place: Path) -> "subprocess.CompletedProcess[str]":
    """Have towncrier say what the next change log would be."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9", "--dir", str(place)]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what towncrier reads."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "newsfragments", tmp_path / "newsfragments")
    return tmp_path


def test_every_fragment_is_in_the_next_change_log() -> None:
    """Each has a valid name, and its text becomes an entry."""
    done = draft(ROOT)
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert [path.name for path in FRAGMENTS if " ".join(path.read_text().split()) not in shown] == []


@pytest.mark.parametrize("name", ["doctor.md", "+doctor.news.md", "+doctor.md", "added.md"])
def test_a_wrong_name_is_refused(name: str, copy: Path) -> None:
    """A fragment without a type, or of one that there is not, would be lost."""
    (copy / "newsfragments" / name).write_text("Lost.\n")
    done = draft(copy)
    assert done.returncode != 0
    assert f"Invalid news fragment name: {name}" in done.stderr


def test_a_fragment_becomes_an_entry_under_its_heading(copy: Path) -> None:
    """With the number of its issue, at the place in CHANGELOG.md that is marked for it."""
    (copy / "newsfragments" / "42.fixed.md").write_text("Something works.\n")
    command = [sys.executable, "-m", "towncrier", "build", "--yes", "--version", "9.9", "--date", "2030-01-02"]
    subprocess.run([*command, "--dir", str(copy)], cwd=copy, capture_output=True, check=True)
    text = (copy / "CHANGELOG.md").read_text()
    new = text.index("## 9.9 (2030-01-02)")
    assert text.index("towncrier release notes start") < new < text.index("## 0.1.0")
    assert re.search(r"### Fixed\n\n(?:(?!###).)*- Something works\. \(issue 42\)\n", text[new:], re.DOTALL)
    assert [path.name for path in (copy / "newsfragments").iterdir()] == ["README.md"]
