"""A trace as a table."""

from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio.pictures.folding import folded
from mmio.pictures.table import seconds, table
from mmio.records.flags import ATOMIC, SPLIT
from tests.mmio.sample_traces import OUT, START, access


def test_a_row_has_every_column() -> None:
    """A row has time, thread, direction, width, address, place, value, fields, notes, ip and instruction."""
    text = table(
        [
            access(0, time=12_000_345_678, instruction=OUT, describe=lambda *_: "EN=1"),
            access(1, time=12_000_399_000, thread=7, direction=READ_WRITE, value=3, old=1, flags=ATOMIC, width=1),
            access(2, region=None, offset=None, address=0x71, space="port", width=1, flags=SPLIT, ip=0),
        ]
    )
    assert text.splitlines() == [
        "     time  thread  R/W  width     address  register      value         fields  notes   ip        instruction",
        "12.000345       0  R        4  0xfe000004  timer.STATUS  0x00000003    EN=1            0x401000  out dx,al",
        "12.000399       7  RW       1  0xfe000004  timer.STATUS  0x01 -> 0x03          atomic  0x401000",
        " 0.000002       0  R        1   port 0x71                0x03                  split",
    ]


def test_thread_is_shown_when_there_are_several() -> None:
    """The thread column appears only when the accesses are of more than one thread."""
    assert "thread" not in table([access(0, thread=5), access(1, thread=5)])
    assert "thread" in table([access(0, thread=5), access(1, thread=6)])


def test_instruction_pointers_get_names() -> None:
    """A resolver names the instruction pointers; where there is none to name it is not asked."""
    assert "init+0x0" in table([access()], resolve=lambda ip: f"init+{ip - 0x401000:#x}")
    assert "init" not in table([access(ip=0)], resolve=lambda ip: "init")


def test_limit_counts_what_is_left_out() -> None:
    """A limited table has that many rows and the number of accesses that are not shown."""
    text = table([access(n) for n in range(10)], limit=3)
    assert len(text.splitlines()) == 1 + 3 + 1
    assert text.endswith("… 7 more")
    assert "more" not in table([access(n) for n in range(3)], limit=3)


def test_limit_counts_folded_accesses() -> None:
    """What a folded row stands for is shown, so it does not count as left out."""
    text = table([*(access(n) for n in range(10)), access(10, width=2), access(11, width=1)], limit=2, fold=True)
    assert text.endswith("… 1 more")


def test_an_empty_table_says_so() -> None:
    """A table of nothing says so."""
    assert table([]) == "no accesses"


def test_poll_loop_is_folded() -> None:
    """Reading one register over and over is one row: how often, how many values, and the last."""
    polls = [access(n, value=0) for n in range(1203)] + [access(1203, value=3)]
    rows = table([access(9999, direction=WRITE), *polls], fold=True).splitlines()
    assert len(rows) == 1 + 2
    assert "1,204 times, 2 values, last  0x00000003" in rows[2]


def test_loop_of_several_accesses_is_folded() -> None:
    """An index written and a data port read, again and again, are two rows."""
    select = {"space": "port", "address": 0x70, "direction": WRITE, "width": 1, "value": 10}
    data = {"space": "port", "address": 0x71, "width": 1}
    polls = [access(n, **(data | {"value": n} if n % 2 else select)) for n in range(20)]
    rows = table(polls, fold=True).splitlines()
    assert len(rows) == 1 + 2
    assert "10 times, last " in rows[1]
    assert "10 times, 10 values, last  0x13" in rows[2]


def test_different_writes_are_not_folded() -> None:
    """Writes of different values are no poll loop."""
    assert len(table([access(n, direction=WRITE, value=n) for n in range(10)], fold=True).splitlines()) == 1 + 10


def test_two_turns_are_not_folded() -> None:
    """What happens only twice is shown twice."""
    assert len(table([access(0), access(1)], fold=True).splitlines()) == 1 + 2


def test_different_instructions_are_not_folded() -> None:
    """Reads by different instructions are no loop."""
    assert len(table([access(n, ip=n + 1) for n in range(10)], fold=True).splitlines()) == 1 + 10


@given(st.lists(st.sampled_from([START, START + 4, START + 8]), max_size=60))
def test_folding_keeps_every_access(addresses: list[int]) -> None:
    """Runs unfolded are the accesses again: nothing is lost, doubled or moved."""
    accesses = [access(n, address=address, direction=READ) for n, address in enumerate(addresses)]
    unfolded = [a.address for run in folded(accesses) for _ in range(run.repeats) for a in run.last]
    assert unfolded == addresses


def test_times_are_seconds_cut_to_six_digits() -> None:
    """Times are shown in seconds with six digits, cut, not rounded."""
    assert seconds(12_000_345_999) == "12.000345"
    assert seconds(999) == "0.000000"
