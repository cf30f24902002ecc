"""Live lines."""

import fcntl
import io
import os
import pty
import struct
import sys
import termios

import pytest

from decode import WRITE
from mmio.commands.live import ColouredLive, Folded, live
from mmio.pictures.live import Live
from mmio.records.events import Mark
from tests.mmio.sample_traces import access


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(lines: Live) -> str:
    """What is printed of a write, a read and an event."""
    lines.write(access(0, direction=WRITE, value=1))
    lines.write(Mark(1, 0, "between"))
    lines.write(access(1, ip=0x401000))
    stream = lines._stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


PLAIN = """\
 0.000000           W    4      0xfe000004  timer.STATUS      0x00000001                0x401000
 0.000001           R    4      0xfe000004  timer.STATUS      0x00000003                0x401000
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_plain_in_a_pipe() -> None:
    """What is not a terminal gets plain text."""
    assert shown(live(io.StringIO(), hex)) == PLAIN


def test_coloured_on_a_terminal() -> None:
    """A terminal gets the same text in colours, in which reads and writes differ."""
    lines = live(Terminal(), hex)
    assert isinstance(lines, ColouredLive)
    text = shown(lines)
    assert "\x1b[32mR\x1b[0m" in text
    assert "\x1b[33mW\x1b[0m" in text
    import re

    assert re.sub(r"\x1b\[[\d;]*m", "", text) == PLAIN


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_plain_when_that_is_wanted(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR and a dumb terminal are respected."""
    monkeypatch.setenv(name, value)
    assert shown(live(Terminal(), hex)) == PLAIN


def test_lines_are_as_wide_as_the_terminal() -> None:
    """The width is the terminal's own: cells are cut to it, and the next line is wider when the terminal is."""
    ours, theirs = pty.openpty()
    try:
        with open(theirs, "w", closefd=False) as stream:
            lines = Live(stream, lambda ip: "a_function_with_a_long_name+0x12")
            for columns in (40, 100):
                fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
                lines.write(access(0))
        told = os.read(ours, 1 << 16).decode().splitlines()
    finally:
        os.close(ours)
        os.close(theirs)
    assert told[0] == "R    4  timer.STATUS  0x00000003"
    assert 40 < len(told[1]) <= 100
    assert "a_function_with" in told[1]


def test_plain_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich is an extra: without it nothing is missing but the colours."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert shown(live(Terminal(), hex)) == PLAIN


def folded(*records: object) -> list[str]:
    """The lines of a folded trace, from the register on."""
    stream = io.StringIO()
    lines = Folded(Live(stream, lambda ip: "", fold=True))
    for record in records:
        lines.write(record)  # type: ignore[arg-type]
    lines.close()
    return [" ".join(line.partition("timer.")[2].split()) for line in stream.getvalue().splitlines()]


def test_a_poll_loop_is_counted() -> None:
    """Two turns, counts at powers of ten, the end with what came last, and what comes after."""
    polls = [access(n, value=n & 1) for n in range(1204)]
    assert folded(*polls, access(1204, direction=WRITE, value=9)) == [
        "STATUS 0x00000000",
        "STATUS 0x00000001",
        "STATUS 10 more 0x00000001",
        "STATUS 100 more 0x00000001",
        "STATUS 1,000 more 0x00000001",
        "STATUS 1,202 more 0x00000001",
        "STATUS 0x00000009",
    ]


def test_a_loop_of_two_that_breaks_off() -> None:
    """A row for each access of the turn; the turn that was only begun is shown as it is."""
    turn = [access(0, direction=WRITE, value=7, register="SELECT"), access(1, register="DATA")]
    assert folded(*turn * 5, turn[0]) == [
        *["SELECT 0x00000007", "DATA 0x00000003"] * 2,
        "SELECT 3 more 0x00000007",
        "DATA 3 more 0x00000003",
        "SELECT 0x00000007",
    ]


def test_what_is_no_loop_is_shown_whole() -> None:
    """Three of a kind are no more than three lines, and nothing is lost."""
    accesses = [access(n, direction=WRITE, value=n) for n in range(5)]
    assert len(folded(*accesses)) == 5
    assert folded(*[access(0)] * 3) == ["STATUS 0x00000003"] * 3


def test_threads_fold_by_themselves() -> None:
    """Two threads that poll in turns are two loops."""
    accesses = [access(n, thread=n & 1, register=f"R{n & 1}") for n in range(2000)]
    lines = folded(*accesses)
    assert lines[-2:] == ["R0 998 more 0x00000003", "R1 998 more 0x00000003"]
    assert len(lines) == 4 + 2 * 2 + 2
