"""Fields of SVD registers, and the names of their values."""

from pathlib import Path

import pytest

from mmio import DescriptionError
from mmio.descriptions.svd.fields import MAX_NAMES
from tests.mmio.descriptions.svd.files import field, make, notes, register


def test_fields_have_the_effects_of_their_register(tmp_path: Path) -> None:
    """Until they say otherwise; `modify` says plain, and is plain."""
    clear = "<modifiedWriteValues>oneToClear</modifiedWriteValues>"
    plain = "<modifiedWriteValues>modify</modifiedWriteValues>"
    fields = f"<fields>{field('A', '0:0')}{field('B', '1:1', plain)}</fields>"
    made = make(tmp_path, register("R", 0, f"{clear}<resetValue>7</resetValue>{fields}"))
    device = made()
    device.write(0, 4, 5)
    assert (device.R.A, device.R.B, device.R.value) == (0, 0, 4)
    assert notes(made) == ["R: woclr: is for some fields only; the bits without a name are plain"]


def test_reserved_fields_name_nothing(tmp_path: Path) -> None:
    """Files have several of that name in a register; their bits are as the register's others."""
    fields = field("Reserved", "3:2") + field("EN", "0:0") + field("RESERVED", "7:5")
    made = make(tmp_path, register("A", 0, f"<fields>{fields}</fields>"))
    assert [each.name for each in made.A.fields] == ["EN"]


def test_names_for_reading_come_before_names_for_writing(tmp_path: Path) -> None:
    """A field may have two tables; a device prints one name a value, and notes the others."""

    def table(usage: str, *names: tuple[str, str]) -> str:
        values = "".join(f"<enumeratedValue><name>{name}</name>{value}</enumeratedValue>" for name, value in names)
        return f"<enumeratedValues><usage>{usage}</usage>{values}</enumeratedValues>"

    write = table("write", ("START", "<value>1</value>"), ("STOP", "<value>2</value>"))
    read = table("read", ("BUSY", "<value>1</value>"), ("OTHER", "<isDefault>true</isDefault>"))
    made = make(tmp_path, register("A", 0, f"<fields>{field('F', '1:0', write + read)}</fields>"))
    assert made.A.fields[0].enum == {1: "BUSY", 2: "STOP"}
    assert notes(made) == [
        "A.F: enumeratedValue OTHER: not for a single value; other values are printed as numbers",
        "A.F: enumeratedValue START: value 1 is printed as BUSY",
    ]


def in_register(fields: str) -> str:
    """A register with these fields."""
    return register("A", 0, f"<fields>{fields}</fields>")


@pytest.mark.parametrize(
    ("fields", "left", "note", "error"),
    [
        (
            field("F", "32:0"),
            [],
            "left out: (bits 32:0) is outside the register, which has bits 31:0",
            "A.F (bits 32:0)",
        ),
        (field("F", "3:0") + field("G", "4:3"), ["F"], "left out: (bits 4:3) overlaps F (bits 3:0)", "A.G (bits 4:3)"),
        (
            field("F", "3:0") + field("F", "4:4"),
            ["F"],
            "left out: (bits 4): another field has this name",
            "A.F (bits 4)",
        ),
        (
            "<field><name>F</name></field>",
            [],
            "left out: expected <bitRange>, <lsb> and <msb>, or",
            "A.F: expected <bit",
        ),
        (
            field("F", "0:3"),
            ["F"],
            "bits: are 0:3, expected the most significant one first; taken as 3:0",
            "A.F: <bits>",
        ),
        (
            "<field><name>F</name><bitOffset>1</bitOffset><bitWidth>0</bitWidth></field>",
            [],
            "left out: <bitWidth> is 0, expected 1 or more",
            "A.F: <bitWidth> is 0",
        ),
        (
            f"<field><name>F</name><lsb>{'9' * 5000}</lsb><msb>1</msb></field>",
            [],
            "lsb: is '99999999999999999999999999999999999999999999999999'… (5000 characters), expected a number",
            "A.F: <lsb> is '9",
        ),
        (field("F X", "0:0"), ["F_X"], "name: is 'F X', with a blank; taken as _", "A.F_X: <name> is 'F X'"),
    ],
)
def test_a_slip_costs_the_field_at_most(tmp_path: Path, fields: str, left: list[str], note: str, error: str) -> None:
    """The register and its other fields are there; `strict` makes it an error."""
    inside = in_register(fields + field("LAST", "31:31"))
    made = make(tmp_path, inside)
    assert [each.name for each in made.A.fields] == [*left, "LAST"]
    assert [str(each).split(": ", 1)[1][: len(note)] for each in made.notes] == [note]
    assert made.notes[0].line == 5
    with pytest.raises(DescriptionError) as caught:
        make(tmp_path, inside, strict=True)
    assert caught.value.problems[0].startswith(f"{tmp_path}/chip.svd:5: P.{error}")


def test_a_field_may_be_an_array(tmp_path: Path) -> None:
    """One field a label, with the same names of values."""
    group = "<dim>3</dim><dimIncrement>8</dimIncrement>"
    enum = "<enumeratedValues><enumeratedValue><name>ON</name><value>1</value></enumeratedValue></enumeratedValues>"
    made = make(tmp_path, in_register(field("F%s", "1:0", group + enum)))
    assert [(each.name, each.place, each.enum) for each in made.A.fields] == [
        ("F0", "1:0", {1: "ON"}),
        ("F1", "9:8", {1: "ON"}),
        ("F2", "17:16", {1: "ON"}),
    ]


def test_names_of_values_are_bounded(tmp_path: Path) -> None:
    """Don't-care bits make many of few characters; there are so many in a peripheral and no more."""
    value = f"<enumeratedValue><name>ANY</name><value>#{'x' * 16}</value></enumeratedValue>"
    enum = f"<enumeratedValues>{value}</enumeratedValues>"
    made = make(tmp_path, in_register(field("F", "15:0", enum) + field("G", "31:16", enum)))
    assert [len(each.enum) for each in made.A.fields] == [MAX_NAMES, 0]
    assert notes(made) == [f"A.G: enumeratedValue: left out: {MAX_NAMES} values have names before it"]
