"""Words in a timeline: none covers another."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decode import WRITE
from mmio import Access
from mmio.pictures.notes import Span
from mmio.pictures.time_axis import TimeAxis
from mmio.pictures.timeline import Timeline
from mmio.pictures.writing import END, Placed, place_phases, points
from mmio.records.events import Located, Mark, Record
from tests.figures import covered, outside, written
from tests.mmio.sample_traces import START, access

POINT = 1 / 700
WORDS = ("", "close", "wait for the link", "open: identify and reset the card, read its EEPROM, hand over the rings")
REGISTERS = ("CTRL", "STATUS", "A_RATHER_LONG_NAME_OF_A_REGISTER[17]")


@given(st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(WORDS)), max_size=12), st.integers(1, 7))
def test_phases_do_not_cover_each_other(spans: list[tuple[int, str]], rows: int) -> None:
    """Every phase has a line; no two texts of a row overlap, and no line goes down through a text."""
    axis = TimeAxis([0, *range(400, 600, 7), 1000])
    placed = place_phases([Span(*span) for span in sorted(spans)], axis, POINT, rows)
    assert len(placed) == len(spans)

    def ends(one: Placed) -> float:
        return one.place + (points(one.text, 9) + 6) * POINT if one.text else one.place

    assert all(0 <= one.row < rows and ends(one) <= END for one in placed)
    for one, other in combinations(placed, 2):
        assert one.row > other.row or ends(one) <= other.place or (other.place == one.place and not one.text)


def driver() -> list[Record]:
    """Return a trace with a mark, functions, and registers that are polled and written."""
    symbols = ((1, "nic_open"), (2, "nic_up"))
    made: list[Record] = [Located(0, 0, ip, "nic.so", 0, symbol, 0, "") for ip, symbol in symbols]
    for n in range(60):
        if n % 20 == 0:
            made.append(Mark(n, n * 1000, f"phase {n}: what is done in it, in some words"))
        register = n % 3 if n > 10 else 1
        made.append(
            access(
                n,
                time=n * 1000 + (n > 30) * 10**6,
                ip=1 + n // 30,
                address=START + 4 * register,
                offset=4 * register,
                register=REGISTERS[register],
                value=n << 8,
                direction=WRITE if register == 0 else 0,
            )
        )
    return made


def drawn(records: list[Record]) -> Timeline:
    """Return a timeline that has taken records."""
    timeline = Timeline()
    for record in records:
        timeline.take(record)
    return timeline


def test_a_timeline_has_values_phases_and_functions() -> None:
    """Each stands in the picture as words, where there is room for it."""
    texts = [text for text, _ in written(drawn(driver()).figure())]
    assert {"function", "nic_open", "nic_up", "timer.CTRL", "0x1e00"} <= set(texts)
    assert [text for text in texts if text.startswith("phase 40")]


def test_words_of_a_timeline_do_not_cover_each_other() -> None:
    """Nothing that is written leaves the picture or covers something else."""
    figure = drawn(driver()).figure()
    assert (outside(figure), covered(figure)) == ([], [])


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda time, register, value: access(
                time, time=time, register=REGISTERS[register], offset=register, value=value, describe=lambda *_: "A B=3"
            ),
            st.integers(0, 10_000),
            st.integers(0, 2),
            st.sampled_from([0, 0xFF, 0xDEADBEEF]),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_values_stand_behind_their_bars(accesses: list[Access]) -> None:
    """However accesses lie, no value covers another."""
    figure = drawn(sorted(accesses, key=lambda one: one.time)).figure()
    assert covered(figure) == []


@pytest.mark.parametrize("text", ["$x^2$", "a\nb", "\x1b[31m", "漢字"])
def test_names_are_not_markup(text: str) -> None:
    """A name is written as it is, whatever it has: nothing in it is a formula or a control character."""
    records: list[Record] = [
        Mark(0, 0, text),
        access(0, register=text),
        Located(1, 0, 7, text, 0, text, 0, ""),
        access(1, ip=7),
    ]
    assert drawn(records).figure()
