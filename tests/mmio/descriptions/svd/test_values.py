"""Numbers, choices and labels as SVD files have them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import DescriptionError
from mmio.descriptions.svd.values import is_label, labels, matching, number, shown
from tests.mmio.descriptions.svd.files import field, make, notes, register


@given(st.integers(0, 1 << 64), st.sampled_from(["{:d}", "{:#x}", "{:#X}", "+{:d}", "#{:b}", "0b{:b}"]))
def test_numbers_in_every_notation(value: int, form: str) -> None:
    """Decimal, hexadecimal, two kinds of binary."""
    assert number(form.format(value)) == value


@pytest.mark.parametrize(("text", "value"), [("4k", 4096), ("1M", 1 << 20), ("2G", 2 << 30), ("0x1t", 1 << 40)])
def test_suffixes_are_powers_of_1024(text: str, value: int) -> None:
    """As the schema has them."""
    assert number(text) == value


BAD_NUMBERS = ["", "x", "0x", "-1", "1 2", "0x1G2", "#2", "1.5", "0xZZ", "9" * 5000, "0x" + "f" * 129, "9" * 200]


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_what_is_no_number_costs_the_property(tmp_path: Path, text: str) -> None:
    """A number of 5,000 digits is none; a note says what was expected, and the register is there."""
    made = make(tmp_path, register("CR", 0, f"<resetValue>{text}</resetValue>"))
    assert made().CR == 0
    (note,) = made.notes
    assert (note.name, note.word, note.line) == ("CR", "resetValue", 5)
    assert note.text.startswith(f"is {shown(text)}, expected a number")
    assert len(str(note)) < 200
    with pytest.raises(DescriptionError, match=rf"^{tmp_path}/chip.svd:5: P.CR: <resetValue> is .*, expected a number"):
        make(tmp_path, register("CR", 0, f"<resetValue>{text}</resetValue>"), strict=True)


@pytest.mark.parametrize(
    ("dim", "index", "expected"),
    [
        (3, "", ["0", "1", "2"]),
        (3, "4-6", ["4", "5", "6"]),
        (3, "A-C", ["A", "B", "C"]),
        (2, " LO, HI", ["LO", "HI"]),
        (1, "7", ["7"]),
    ],
)
def test_labels(dim: int, index: str, expected: list[str]) -> None:
    """A list, a range of numbers, a range of letters, or counted from 0; a label is found without making the list."""
    assert list(labels(index, dim)) == expected
    assert all(is_label(label, index) for label in expected)
    assert not any(is_label(label, index or "0-2") for label in ("", "no", "99", "Z"))


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("<dim>0</dim><dimIncrement>4</dimIncrement>", "is '0', expected 1..65536"),
        ("<dim>99999999</dim><dimIncrement>4</dimIncrement>", "is '99999999', expected 1..65536"),
        ("<dim>2</dim>", "is there without <dimIncrement>"),
        ("<dim>2</dim><dimIncrement>-4</dimIncrement>", "is '-4', expected a number"),
        ("<dim>2</dim><dimIncrement>4</dimIncrement><dimIndex>A,B,C</dimIndex>", "has 3 labels, and <dim> is 2"),
        ("<dim>2</dim><dimIncrement>4</dimIncrement><dimIndex>A;B</dimIndex>", "expected a list like A,B,C or a range"),
        ("", "has %s, and there is no <dim>"),
    ],
)
def test_arrays_that_cannot_be(tmp_path: Path, group: str, expected: str) -> None:
    """What does not add up is a note that says what did not, and a register or two."""
    made = make(tmp_path, register("R%s", 0, group))
    assert [place.name for place in made.layout.places] == (["R0", "R1"] if "dimIndex" in group else ["R"])
    assert expected in notes(made)[0]
    with pytest.raises(DescriptionError, match=rf":5: P.R: .*{expected}"):
        make(tmp_path, register("R%s", 0, group), strict=True)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("<access>readonly</access>", "<access> is 'readonly', expected one of read-write, read-only, write-only"),
        ("<readAction>clr</readAction>", "<readAction> is 'clr', expected one of clear, set, modify, modifyExternal"),
        (
            "<modifiedWriteValues>w1c</modifiedWriteValues>",
            "<modifiedWriteValues> is 'w1c', expected one of oneToClear",
        ),
        ("<fields><field><name>F</name><bitRange>3:0</bitRange></field></fields>", "expected .msb:lsb., such as .7:4."),
    ],
)
def test_choices_are_checked(tmp_path: Path, more: str, expected: str) -> None:
    """The words of the format and no others; the message lists them. The register is there without."""
    made = make(tmp_path, register("CR", 0, more))
    assert len(made.notes) == len(made.layout.places) == 1
    with pytest.raises(DescriptionError, match=expected):
        make(tmp_path, register("CR", 0, more), strict=True)


def test_letter_case_of_a_choice_does_not_matter(tmp_path: Path) -> None:
    """Some files write writeonce."""
    assert make(tmp_path, register("CR", 0, "<access>writeonce</access>"))().CR._cell.effects.once


@pytest.mark.parametrize(("access", "left"), [("read", 5), ("write", 6)])
def test_a_common_slip_is_understood(tmp_path: Path, access: str, left: int) -> None:
    """Some files say read and write for read-only and write-only."""
    device = make(tmp_path, register("CR", 0, f"<access>{access}</access><resetValue>5</resetValue>"))()
    device.write(0, 4, 6)
    assert device.CR.value == left


def test_a_value_with_free_bits_is_several(tmp_path: Path) -> None:
    """#1x names 2 and 3."""
    enum = "<enumeratedValues><enumeratedValue><name>ON</name><value>#1x</value></enumeratedValue></enumeratedValues>"
    device = make(tmp_path, register("CR", 0, f"<fields>{field('F', '1:0', enum)}</fields>"))
    assert device.CR.fields[0].enum == {2: "ON", 3: "ON"}


def test_too_many_free_bits_cost_the_names(tmp_path: Path) -> None:
    """Names for a million values are a mistake."""
    value = f"<value>#{'x' * 17}</value>"
    enum = f"<enumeratedValues><enumeratedValue><name>ON</name>{value}</enumeratedValue></enumeratedValues>"
    made = make(tmp_path, register("CR", 0, f"<fields>{field('F', '20:0', enum)}</fields>"))
    assert made.CR.fields[0].enum == {}
    assert "which has more than 16 free bits" in notes(made)[0]
    assert len(list(matching("#" + "x" * 16))) == 1 << 16


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<register><name>CR</name></register>", "P.CR: <register> has no <addressOffset>"),
        ("<register><addressOffset>0</addressOffset></register>", "P: <register> has no <name>"),
        (register("CR", 0, "<fields><field/></fields>"), "P.CR: <field> has no <name>"),
        (register("R" * 300, 0), "P: <name> is 'R{50}'… .300 characters., expected at most 200 characters"),
    ],
)
def test_what_must_be_there(tmp_path: Path, inside: str, expected: str) -> None:
    """Without name and offset there is no register; the others are."""
    made = make(tmp_path, register("OTHER", 4) + inside)
    assert made.layout.places[0].name in ("OTHER", "CR")
    assert made.notes[0].text.endswith("; left out")
    with pytest.raises(DescriptionError, match=f":5: {expected}$"):
        make(tmp_path, inside, strict=True)
