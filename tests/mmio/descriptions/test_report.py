"""Notes and problems, gathered while a description is read."""

import pytest

from mmio import DescriptionError, DescriptionWarning
from mmio.descriptions.report import ELEMENTS, MAX_NOTES, MEMBERS, REGISTERS, Note, Report, did_you_mean


def test_a_note_is_kept_once() -> None:
    """Elements of an array say the same."""
    report = Report("x.rdl")
    for _ in range(2):
        report.note("A", "intr", "not here")
    assert report.notes == [Note("A", "intr", "not here")]
    assert str(report.notes[0]) == "A: intr: not here"


def test_one_warning_shows_the_first_notes() -> None:
    """Ten of them, and how many more there are."""
    report = Report("x.rdl", device="card")
    report.warn()  # nothing to say, and nothing said
    for i in range(13):
        report.note(f"R{i}", "intr", "not here")

    def user() -> None:
        report.warn()

    with pytest.warns(
        DescriptionWarning, match="^x.rdl: card is not all its description says .13 notes.:\n  R0: "
    ) as caught:
        user()
    assert str(caught[0].message).endswith("R9: intr: not here\n  and 3 more, all of them in the notes of the class")
    assert len(caught) == 1


def test_rare_notes_come_first_in_a_warning() -> None:
    """What a file says of every register hides nothing."""
    report = Report("x.svd", device="card")
    for i in range(20):
        report.note(f"R{i}", "resetMask", "undefined")
    report.note("DR", "readAction modify", "not here")
    with pytest.warns(
        DescriptionWarning, match=r"says .21 notes.:\n  DR: readAction modify: not here\n  R0: resetMask: "
    ):
        (lambda: report.warn())()
    assert report.notes[0].name == "R0"


def test_all_problems_are_raised_together() -> None:
    """Each in a line of its own."""
    report = Report("x.rdl", device="card")
    report.check()
    report.problems.append("x.rdl:1:1: card.A: odd")
    report.problems.append("card.B: odd too")
    with pytest.raises(DescriptionError, match=r"^x.rdl:1:1: card.A: odd\n  card.B: odd too$"):
        report.check()
    with pytest.raises(DescriptionError, match=r"^x.rdl:1:1: card.A: odd\n  card.B: odd too\n  the end$"):
        report.fail("the end")


def test_what_is_refused_can_be_left_out() -> None:
    """The last line of the error is ready to be copied."""
    report = Report("x.rdl", device="card")
    for name in ("A", "DMA.B", "A"):
        report.refuse(name, ": odd")
    with pytest.raises(DescriptionError, match=r"^x.rdl: card.A: odd\n  .*\n.*\n  what .*: without=\['A', 'DMA.B'\]$"):
        report.check()


def test_what_is_to_be_left_out_must_be_there() -> None:
    """A misspelt name leaves nothing out, which is an error."""
    report = Report("x.rdl", ["CTRL", "DMA.CTLR"])
    assert [report.wants(name) for name in ("CTRL", "STAT", "DMA.CTRL")] == [False, True, True]
    with pytest.raises(DescriptionError, match=r"without: there is no 'DMA.CTLR'; did you mean 'DMA.CTRL'[?]$"):
        report.check()


def test_one_name_may_be_left_out_as_it_is() -> None:
    """A string is one name, not its letters."""
    report = Report("x.rdl", "CTRL")
    assert not report.wants("CTRL")
    report.check()


def test_registers_are_counted() -> None:
    """Up to a limit, one by one or all at once; what is no array has a lower one."""
    report = Report("x.rdl")
    report.count("A", REGISTERS - 1)
    report.count("B", 1)
    with pytest.raises(DescriptionError, match=r"^x.rdl: C is there 1 times; a device has at most 65536 registers$"):
        report.count("C", 1)
    report = Report("x.rdl")
    report.count("A", MEMBERS, MEMBERS)
    with pytest.raises(
        DescriptionError, match=r"^x.rdl: B is there 2 times; .* at most 32768 registers besides arrays$"
    ):
        report.count("B", 2, 2)


def test_elements_are_counted() -> None:
    """What is left out counts as well: a device is read in bounded time."""
    report = Report("x.rdl", device="card")
    report.visit(ELEMENTS)
    with pytest.raises(DescriptionError, match=r"^x.rdl: card has more than 524288 elements"):
        report.visit()


def test_notes_are_bounded() -> None:
    """A file of only slips does not make a list without end."""
    report = Report("x.rdl")
    for i in range(MAX_NOTES + 10):
        report.note(f"R{i}", "intr", "not here")
    assert len(report.notes) == MAX_NOTES


def test_a_slip_is_a_note_or_a_problem() -> None:
    """With its place; who asks for strictness gets an error."""
    lenient, strict = Report("x.svd", device="P", strict=False), Report("x.svd", device="P")
    for report in (lenient, strict):
        report.slip("CR", 7, "size", "is odd", "taken as 8")
        report.refuse("SR", " is odd, too", 8)
    assert list(map(str, lenient.notes)) == [
        "CR: size: is odd; taken as 8 (line 7)",
        "SR: left out: is odd, too (line 8)",
    ]
    lenient.check()
    assert strict.problems == ["x.svd:7: P.CR: <size> is odd", "x.svd:8: P.SR is odd, too"]


def test_suggestions() -> None:
    """Close names whatever their case; else what there is."""
    assert did_you_mean("uart0", ["UART1", "SPI"]) == "; did you mean 'UART1'?"
    assert did_you_mean("I2S", ["UART1", "SPI", "SPI"]) == "; there are SPI, UART1"
    assert did_you_mean("I2S", []) == "; there are none"


def test_suggestions_take_bounded_time() -> None:
    """Of very many names the first are looked through, and after some suggestions there are no more."""
    names = [f"R{i:05}" for i in range(5000)]
    assert did_you_mean("X", names).endswith(" and 4000 more")
    report = Report("x.svd")
    hints = [report.hint("X", lambda: ["Y"]) for _ in range(100)]
    assert hints[0] == "; there are Y"
    assert hints[-1] == ""
