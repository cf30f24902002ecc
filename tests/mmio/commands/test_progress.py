"""How far reading has come."""

import io
import sys
from pathlib import Path

import pytest

from mmio import open_trace, save
from mmio.commands import progress
from tests.mmio.sample_traces import access

COUNT = 3000


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trace that counts as big."""
    path = tmp_path / "[big].jsonl"
    save(map(access, range(COUNT)), path)
    monkeypatch.setattr(progress, "BIG", path.stat().st_size)
    monkeypatch.setenv("TERM", "xterm")
    return path


def read(path: Path, stream: io.StringIO) -> str:
    """Read everything and return what was shown."""
    reader = open_trace(path)
    assert len(list(progress.shown(reader, stream))) == COUNT
    assert reader.consumed == path.stat().st_size
    return stream.getvalue()


def test_a_terminal_gets_a_bar(trace: Path) -> None:
    """It has the file's name, whatever that is, and ends full."""
    text = read(trace, Terminal())
    assert "[big].jsonl" in text
    assert "━" in text


def test_a_pipe_gets_nothing(trace: Path) -> None:
    """What is not looked at is not shown."""
    assert read(trace, io.StringIO()) == ""


def test_small_files_are_read_silently(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a moment shows no progress."""
    monkeypatch.setattr(progress, "BIG", trace.stat().st_size + 1)
    assert read(trace, Terminal()) == ""


def test_everything_is_read_without_rich(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich is an extra: without it everything is read all the same."""
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    assert read(trace, Terminal()) == ""
