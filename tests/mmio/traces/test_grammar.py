"""The grammar of expectations."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ_WRITE
from mmio import ExpectationError, PagetrapError
from mmio.traces.grammar import MAX_COUNT, AnyOrder, Count, Gap, Group, Never, Step, parse, parse_access
from mmio.traces.known import Known
from tests.mmio.sample_traces import access


def test_items() -> None:
    """Each kind of item is read, with its words and its place."""
    step, gap, never, order, group = parse(
        ["W4 CTRL=0x1/0xff *3", "...", "never W CTRL.RESET=1", "any order {R4 A, R4 B}", "{R4 A; W4 B} +"]
    )
    assert isinstance(step, Step)
    assert (step.expected.value, step.expected.mask, step.count) == (1, 0xFF, Count(3, 3))
    assert isinstance(gap, Gap)
    assert isinstance(never, Never)
    assert (never.expected.width, never.expected.place, never.source.line) == (0, "CTRL.RESET", 3)
    assert isinstance(order, AnyOrder)
    assert [one.source.column for one in order.steps] == [12, 18]
    assert isinstance(group, Group)
    assert (group.count, len(group.items)) == (Count(1, None, True), 2)


def test_braces_may_span_lines() -> None:
    """What stands in braces may be on lines of its own; a semicolon ends an item as a line does."""
    assert len(parse(["any order {", "  R4 A", "  R4 B", "}", "R4 C; R4 D"])) == 3


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("R4 A", Count()),
        ("R4 A *2", Count(2, 2)),
        ("R4 A*2..5", Count(2, 5)),
        ("R4 A *", Count(0, None, True)),
        ("R4 A +", Count(1, None, True)),
        ("R4 A ?", Count(0, 1)),
        ("R4 timer+0x10 +", Count(1, None, True)),
    ],
)
def test_counts(text: str, count: Count) -> None:
    """A count stands at the end."""
    (step,) = parse([text])
    assert isinstance(step, Step)
    assert step.count == count


@pytest.mark.parametrize(
    ("line", "column", "problem"),
    [
        ("", 1, "expected an access such as"),
        ("W4 CTRL UP=1", 8, "'CTRL UP' is no name of the trace"),
        ("R CTRL", 2, "the width in bytes is missing"),
        ("X4 CTRL", 1, "got 'X4 CTRL'"),
        ("R4 CTRL=", 9, "'' is no value"),
        ("R4 CTRL=1=2", 9, "got 'R4 CTRL=1=2'"),
        ("R4 CTRL=0x1/0xzz", 9, "'0x1/0xzz' is no value"),
        ("R4 CTRL=0x10/0xf", 9, "0x10 has bits that the mask 0xf leaves out"),
        ("R1 CTRL=0x100", 9, "the value has more than 1 byte"),
        ("R99999 CTRL", 2, "no access is wider than 65536 bytes"),
        ("R4 A *0", 6, "a count is from 1 to 10000"),
        ("R4 A *5..2", 6, "a count is from 1 to 10000, or a range such as *2..5, not '*5..2'"),
        (f"R4 A *{MAX_COUNT + 1}", 6, "a count is from 1 to 10000"),
        ("*3", 1, "got '*3'"),
        ("R4 A; R4 B}", 11, "'}' closes nothing"),
        ("{R4 A; R4 B", 12, "expected '}' before the end"),
        ("R4 A {R4 B}", 6, "'{' stands at the beginning of an item"),
        ("{}", 1, "expected an access between"),
        ("any order R4 A", 11, "expected '{' after 'any order'"),
        ("any order {R4 A; R4 B +}", 18, "in any order there are accesses, each once or '*3' times, not 'R4 B +'"),
        ("any order {…}", 12, "in any order there are accesses"),
        ("{R4 A} R4 B", 7, "expected a count such as"),
        ("never", 6, "got ''"),
        ("never R4 A +", 11, "'A +' is no name of the trace"),
        ("{" * 21 + "R4 A" + "}" * 21, 21, "more than 20 braces"),
    ],
)
def test_nonsense_is_refused_where_it_stands(line: str, column: int, problem: str) -> None:
    """The error has the line, the column, and a caret below it."""
    with pytest.raises(ExpectationError) as caught:
        parse(["R4 A", line])
    error = caught.value
    assert problem in error.problem
    assert (error.line, error.column) == (2, column)
    assert str(error).splitlines()[-3:] == [f"line 2, column {column}:", f"    {line}", " " * (column + 3) + "^"]
    assert isinstance(error, PagetrapError)


def test_the_nearest_name_is_suggested() -> None:
    """A name with a space in it is refused with a name that there is; a name of the trace may have one."""
    known = Known({"timer": {"CTRL": (("UP", 1, 1),)}, "map 1": {}})
    with pytest.raises(ExpectationError, match=r"did you mean 'CTRL.UP'\?"):
        parse(["W4 CTRL UP=1"], lambda: known)
    parse(["W4 map 1+0x4=1"], lambda: known)


def test_one_access_needs_no_width() -> None:
    """A filter's access need not say how wide it is; an atomic is a read and a write there."""
    assert parse_access("W CTRL=1").width == 0
    atomic = access(direction=READ_WRITE, old=2, value=3)
    assert [parse_access(f"{letter} STATUS").matches(atomic) for letter in ("R", "W", "RW")] == [True, True, True]
    assert not parse_access("RW STATUS").matches(access())
    with pytest.raises(ExpectationError, match="got 'CTRL'"):
        parse_access("CTRL")


def test_what_is_no_text_is_refused() -> None:
    """A line is a str."""
    with pytest.raises(TypeError, match=r"an expectation is a str such as 'R4 STATUS', not 4$"):
        parse([4])  # type: ignore[list-item]


@given(st.lists(st.text("RW4 A=1/x0*+?{};…,.any order never\n"), max_size=4))
def test_any_text_is_read_or_refused(lines: list[str]) -> None:
    """Law: no text does anything but to be read, or refused at one of its characters."""
    refused: list[ExpectationError] = []
    try:
        parse(lines)
    except ExpectationError as error:
        refused.append(error)
    for found in refused:
        assert 1 <= found.column <= len(found.text) + 1
        assert 1 <= found.line <= "\n".join(lines).count("\n") + 1
        assert str(found).endswith("^")


ROWS = re.findall(r"^\| `(.+?)` \|", Path("docs/expectations.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("text", ROWS)
def test_the_manual_has_the_grammar(text: str) -> None:
    """Each row of the manual's tables is an expectation."""
    assert parse([text])


def test_the_manual_is_looked_at() -> None:
    """The rows are found."""
    assert len(ROWS) > 15
