"""Polling that never sees anything else."""

import io

from decode import WRITE
from mmio.commands.polls import FIRST, Polls
from mmio.records.access import Access
from mmio.records.events import Mark
from tests.mmio.sample_traces import access

READ = access(0)
SELECT = access(0, direction=WRITE, value=0xA, register="SELECT", ip=0x401004)


def reported(*accesses: Access, close: bool = True) -> list[str]:
    """What is said about accesses."""
    stream = io.StringIO()
    polls = Polls(stream, lambda ip: f"<{ip:x}>")
    polls.write(Mark(0, 0, "an event"))
    for each in accesses:
        polls.write(each)
    if close:
        polls.close()
    return stream.getvalue().splitlines()


def test_told_while_it_lasts_and_rarely() -> None:
    """After `FIRST` equal reads, and then at ten times as many; with place, value, count and code."""
    what = "pagetrap: timer.STATUS is polled: 0x00000003 each of {} times so far, at <401000>"
    told = what + "; the program may wait for ever"
    assert reported(*[READ] * (FIRST - 1), close=False) == []
    assert reported(*[READ] * (9 * FIRST), close=False) == [told.format("10,000")]
    assert reported(*[READ] * (10 * FIRST), close=False) == [told.format("10,000"), told.format("100,000")]


def test_told_at_the_end() -> None:
    """The count is the whole one, whether the loop has ended or the program."""
    end = "pagetrap: timer.STATUS was polled: 0x00000003 each of 10,007 times, at <401000>"
    assert reported(*[READ] * (FIRST + 7))[1:] == [end]
    assert reported(*[READ] * (FIRST + 7), access(1, value=4), access(2, value=5))[1:] == [end]


def test_the_longest_ones_are_told_at_the_end() -> None:
    """Three of them, so that what matters is not lost."""
    polls = [[access(0, value=n)] * (FIRST + n) for n in (1, 4, 2, 3)]
    ends = reported(*(each for poll in polls for each in poll))[4:]
    assert [line.split("each of ")[1].split()[0] for line in ends] == ["10,004", "10,003", "10,002"]


def test_a_selected_register_is_read() -> None:
    """In an index and data pair the read is what is polled, and turns are counted."""
    (line,) = reported(*[SELECT, READ] * FIRST, close=False)
    assert line.startswith("pagetrap: timer.STATUS is polled: 0x00000003 each of 10,000 times so far, at <401000>;")


def test_a_loop_may_read_two() -> None:
    """Both are named, with both values."""
    (line,) = reported(*[READ, access(0, register="LINE", value=0, ip=0x401008)] * FIRST, close=False)
    told = "timer.STATUS and timer.LINE are polled: 0x00000003 and 0x00000000 each of 10,000 times so far"
    assert line.startswith(f"pagetrap: {told}, at <401000> and <401008>;")


def test_a_loop_that_reads_one_several_times() -> None:
    """A register is named once, and the others are not forgotten."""
    (line,) = reported(*[*[READ] * 3, access(0, register="LINE", value=0)] * FIRST, close=False)
    assert "timer.STATUS and timer.LINE are polled: 0x00000003 and 0x00000000 each of 10,000 times" in line


def test_what_changes_is_not_reported() -> None:
    """A counter that is read is no poll that waits for ever, and filling a device with zeros is none either."""
    assert reported(*[access(n, value=n) for n in range(FIRST + 10)]) == []
    assert reported(*[SELECT] * (FIRST + 10)) == []


def test_threads_are_told_apart() -> None:
    """Another thread's accesses in between do not hide a poll."""
    busy = [access(n, thread=1, value=n) for n in range(FIRST)]
    assert len(reported(*(each for other in busy for each in (READ, other)), close=False)) == 1
