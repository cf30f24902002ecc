"""Lines of text as faults."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.faults import FaultError, Schedule, parse
from mmio.faults.fault import KINDS
from mmio.strategies import fault_schedules
from tests.mmio.faults.card import Card

LINES = [
    "SR stuck TXE=0 after 3 reads",
    "USART2.SR stuck TXE=0 RXNE=1",
    "SR stuck 0x80/0xf0",
    "SR stuck MODE=FAST",
    "+0x10/1 stuck bit3=1 from 10ms for 3ms",
    "SR late TXE=1 by 20us",
    "SR late TXE=1 by 1 read",
    "Card removed after 10 accesses",
    "CR1 lost at write 2",
    "irq lost after 1 interrupt",
    "irq spurious at 50us",
    "RBR overrun LSR.OE=1 at read 2",
    "RBR overrun",
    "SR bus-error at access 4",
    "SR sigbus when CTRL.EN=1",
    "SR sigbus when CTRL=0x1/0xff with probability 0.25 seed 7",
    "Card garbage seed 7",
    "SR stuck TXE=0 from 0ns for 2 reads",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_printed_as_it_is_read(line: str) -> None:
    """The canonical form of each clause."""
    assert str(parse(line)) == line


@pytest.mark.parametrize("line", [kind.example for kind in KINDS.values()])
def test_the_examples_are_faults(line: str) -> None:
    """Each example of the table is a line in the canonical form."""
    assert str(parse(line)) == line


@given(
    fault_schedules(Card, effects=tuple(KINDS), max_faults=5, until=10**10)
    | st.lists(st.sampled_from(LINES)).map(lambda lines: parse(*lines))
)
def test_a_schedule_that_is_printed_and_read_is_the_same(schedule: Schedule) -> None:
    """The law: parse(str(schedule)) == schedule; and its repr is code that says the same."""
    assert parse(str(schedule)) == schedule
    lines = re.findall(r"'([^']*)'", repr(schedule))
    assert parse(*lines) == schedule


def test_clauses_come_in_any_order() -> None:
    """Each once."""
    assert parse("SR stuck A=1 for 2 reads seed 3 with probability 0.5 after 1 read") == parse(
        "SR stuck A=1 after 1 reads with probability 0.5 seed 3 for 2 reads"
    )


def test_several_lines_and_comments() -> None:
    """As a file has them."""
    assert len(parse("# a file\n\nSR stuck A=1  # dead\n  irq lost\n", "irq lost")) == 3


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("SR", r"expected an effect \(stuck, .*\) at the end"),
        ("SR stuk A=1", r"'stuk' \(column 4\) is no effect; did you mean 'stuck'\?"),
        ("SR stuck", "stuck takes bits, as in TXE=0"),
        ("SR stuck A=1 aftr 3 reads", r"'aftr' \(column 14\) is neither bits nor a clause; did you mean 'after'\?"),
        ("SR removed aftr 3 reads", r"'aftr' \(column 12\) is no clause; did you mean 'after'\?"),
        ("SR stuck A=", r"'A=' \(column 10\) has no value"),
        ("SR stuck =1", r"'=1' \(column 10\) are no bits"),
        ("SR stuck A=1/2", r"'A=1/2' \(column 10\) has a mask"),
        ("SR stuck A=-1", r"'A=-1' \(column 10\) has no value"),
        ("SR stuck A=1 after -3 reads", r"'-3' \(column 20\) is not a number from 0 up"),
        ("SR stuck A=1 after 3 writs", r"'writs' \(column 22\) is no unit; did you mean 'writes'\?"),
        ("SR stuck A=1 after 3", "expected reads, writes, accesses or interrupts at the end"),
        ("SR stuck A=1 from -3us", r"'-3us' \(column 19\) is negative: times are from 0"),
        ("SR stuck A=1 from 3", r"'3' \(column 19\) is not a time, such as 10us"),
        ("SR stuck A=1 for 0 reads", "a count is from 1 up, not 0"),
        ("SR stuck A=1 at read 0", "a count is from 1 up, not 0"),
        ("SR stuck A=1 at write 2", "`at` counts read here, not 2 writes"),
        ("SR stuck A=1 at 5us", "`at` counts read here, not 5us"),
        ("SR stuck A=1 at read 2 after 1 read", "at is one access"),
        ("SR stuck A=1 after 1 read after 2 reads", r"'after' \(column 27\) comes twice"),
        ("SR stuck A=1 with probability 2", "more than 0 and less than 1, not 2.0"),
        ("SR stuck A=1 with probability nan", "more than 0 and less than 1, not nan"),
        ("SR stuck A=1 with probability x", r"'x' \(column 31\) is no probability"),
        ("SR stuck A=1 with luck", r"'luck' \(column 19\) is not 'probability'"),
        ("SR stuck A=1 seed 3", "only what is random"),
        ("SR stuck A=1 when EN", r"'EN' \(column 19\) is no condition"),
        ("SR late A=1", "late takes `by`"),
        ("SR late A=1 by 3 writes", "by is so many reads or a time"),
        ("SR stuck A=1 by 3 reads", "late takes `by`"),
        ("SR garbage after 3 reads", "garbage takes no `after`"),
        ("SR garbage from 3us", "garbage has no beginning"),
        ("SR garbage when A.B=1", "garbage is there from the start"),
        ("irq spurious at 3us from 1us", "at a time takes no `from`"),
        ("SR stuck " + "A=1 " * 2000, "a line of at most 4000 characters"),
    ],
)
def test_nonsense_is_refused_where_it_stands(line: str, told: str) -> None:
    """By one error with the line, the word and its column."""
    with pytest.raises(FaultError, match=told) as caught:
        parse(line)
    assert "\n" not in str(caught.value)


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=60)
    | st.lists(
        st.sampled_from(
            ["SR", "stuck", "late", "A=1", "after", "3", "reads", "by", "at", "-1", "5us", "for", "when", "seed"]
        )
    ).map(" ".join)
)
def test_any_text_is_faults_or_one_error(text: str) -> None:
    """Nothing else comes out, whatever goes in."""
    try:
        schedule = parse(text)
    except FaultError:
        return
    assert parse(str(schedule)) == schedule


@pytest.mark.parametrize("given_", [3, None, b"SR stuck A=1", ["SR stuck A=1"]])
def test_what_is_no_text_is_refused(given_: object) -> None:
    """With what it should be."""
    with pytest.raises(TypeError, match="a fault is a line of text"):
        parse(given_)  # type: ignore[arg-type]


def test_the_page_has_every_effect_and_clause() -> None:
    """docs/faults.md is the table of the grammar."""
    page = (Path(__file__).parents[3] / "docs" / "faults.md").read_text()
    for kind in KINDS.values():
        assert f"`{kind.example}`" in page
        assert " ".join(kind.does.split()) in " ".join(page.split())
