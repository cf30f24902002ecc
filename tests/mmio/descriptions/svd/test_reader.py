"""Registers and clusters of SVD peripherals."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio import DescriptionError, DescriptionWarning, from_svd
from tests.mmio.descriptions.svd.files import field, make, notes, peripheral, register, write

MEANING: dict[str, Callable[[int, int], int]] = {  # the format's prose: what a write of `data` leaves, bit by bit
    "oneToClear": lambda old, data: 0 if data else old,
    "oneToSet": lambda old, data: 1 if data else old,
    "oneToToggle": lambda old, data: 1 - old if data else old,
    "zeroToClear": lambda old, data: old if data else 0,
    "zeroToSet": lambda old, data: old if data else 1,
    "zeroToToggle": lambda old, data: old if data else 1 - old,
    "clear": lambda old, data: 0,
    "set": lambda old, data: 1,
    "modify": lambda old, data: data,
}


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(MEANING)), st.integers(0, 255), st.integers(0, 255))
def test_written_values_modify_as_their_names_say(word: str, old: int, data: int) -> None:
    """Bit by bit, on a register and on a field."""
    effect = f"<modifiedWriteValues>{word}</modifiedWriteValues>"
    fields = f"<fields>{field('F', '7:0', effect)}</fields>"
    with TemporaryDirectory() as folder:
        device = make(Path(folder), register("A", 0, effect) + register("B", 4, fields))()
    device.A.value = device.B.value = old
    device.write(0, 1, data)
    device.write(4, 1, data)
    expected = sum(MEANING[word](old >> i & 1, data >> i & 1) << i for i in range(8))
    assert (device.A.value, device.B.value) == (expected, expected)


@pytest.mark.parametrize(("word", "left"), [("clear", 0), ("set", 0xFF)])
def test_reading_acts(tmp_path: Path, word: str, left: int) -> None:
    """What was there is answered, what is left is clear or set."""
    device = make(
        tmp_path, register("A", 0, f"<size>8</size><readAction>{word}</readAction><resetValue>5</resetValue>")
    )()
    assert (device.read(0, 1), device.A.value) == (5, left)


@pytest.mark.parametrize(
    ("access", "readable", "writable", "once"),
    [
        ("read-only", True, False, False),
        ("write-only", False, True, False),
        ("read-write", True, True, False),
        ("writeOnce", False, True, True),
        ("read-writeOnce", True, True, True),
    ],
)
def test_access(tmp_path: Path, access: str, readable: bool, writable: bool, once: bool) -> None:
    """What may not be read reads as 0, what may not be written stays, what may be written once stays then."""
    device = make(tmp_path, register("A", 0, f"<access>{access}</access><resetValue>5</resetValue>"))()
    assert device.read(0, 4) == (5 if readable else 0)
    device.write(0, 4, 6)
    assert (6 if writable else 5) == device.A
    device.write(0, 4, 7)
    assert (5 if not writable else 6 if once else 7) == device.A


def test_an_effect_that_never_happens_is_noted(tmp_path: Path) -> None:
    """Reading acts, says the file, and that nothing reads it."""
    inside = "<access>write-only</access><readAction>clear</readAction>"
    assert notes(make(tmp_path, register("A", 0, inside))) == [
        "A: rclr: never happens, because no software can read there"
    ]


def test_undefined_bits_are_noted(tmp_path: Path) -> None:
    """A resetMask that leaves bits out says that they may be anything."""
    made = make(tmp_path, register("A", 0, "<size>8</size><resetMask>0xF0</resetMask><resetValue>0x12</resetValue>"))
    assert made().A == 0x12
    assert notes(made) == [
        "A: resetMask: bits 0xf are undefined after reset, and here they are as <resetValue> has them"
    ]


@pytest.mark.parametrize(
    ("inside", "left", "note", "error"),
    [
        # bits that no register has; Toshiba's resets
        (
            register("A", 0, "<size>24</size>"),
            ["A"],
            "size: is 24 bits, expected one of 8, 16, 32",
            "A: <size> is 24 bits",
        ),
        (
            register("A", 0, "<size>0</size>"),
            [],
            "left out: its size is 0 bits, expected 8..512",
            "A: its size is 0",
        ),
        (
            register("A", 0, "<size>0x100000000</size>"),
            [],
            "left out: its size is 4294967296 bits",
            "A: its size is 42",
        ),
        (register("A", 0, "<size>16E</size>"), ["A"], "size: is '16E', expected a number", "A: <size> is '16E'"),
        (
            register("A", 0, "<size>8</size><resetValue>0x102</resetValue>"),
            ["A"],
            "resetValue: is 0x102, which does not fit in 1 bytes; taken as 0x2",
            "A: <resetValue> is 0x102, which does not fit",
        ),
        # Freescale's bytes of CRC and DMA
        (
            register("A", 0) + register("V", 2),
            ["A"],
            "left out: at 0x2 overlaps A at 0x0",
            "V at 0x2 overlaps A at 0x0",
        ),
        (
            register("A", 0) + register("A", 4),
            ["A"],
            "left out: at 0x4 has a name that is taken",
            "A at 0x4 has a name",
        ),
        # ArteryTek's blanks
        (register("A X", 0), ["A_X"], "name: is 'A X', with a blank; taken as _", "A_X: <name> is 'A X', with a"),
        (
            register("A", 1 << 64),
            [],
            "addressOffset: is '18446744073709551616', expected",
            "A: <addressOffset> is '1844",
        ),
        (
            register("A", 0, "<dim>2</dim><dimIncrement>4</dimIncrement>"),
            ["A0", "A1"],
            "name: has no %s for <dim>; labels are put at the end",
            "A: <name> has no %s for <dim>",
        ),
    ],
)
def test_a_slip_costs_the_register_at_most(tmp_path: Path, inside: str, left: list[str], note: str, error: str) -> None:
    """Other registers are as they were, a note says what it was and where; `strict` makes it an error."""
    made = make(tmp_path, inside + register("B", 0x10))
    assert [place.name for place in made.layout.places] == [*left, "B"]
    (found,) = made.notes
    assert note in str(found)
    assert str(found).endswith(" (line 5)")
    with pytest.raises(DescriptionError) as caught:
        make(tmp_path, inside + register("B", 0x10), strict=True)
    assert caught.value.problems[0].startswith(f"{tmp_path}/chip.svd:5: P.{error}")


def test_offsets_are_bytes_whatever_the_unit(tmp_path: Path) -> None:
    """Espressif's files say 32 bits, and mean bytes."""
    path = write(tmp_path, peripheral(register("A", 0) + register("B", 4)))
    path.write_text(path.read_text().replace("Bits>8<", "Bits>32<"))
    with pytest.warns(DescriptionWarning, match=r"addressUnitBits: is 32, expected 8; offsets are bytes \(line 3\)"):
        made = from_svd(path, "P")
    assert [place.offset for place in made.layout.places] == [0, 4]
    with pytest.raises(DescriptionError, match=r":3: P: <addressUnitBits> is 32, expected 8$"):
        from_svd(path, "P", strict=True)


def test_a_peripheral_without_registers_has_none(tmp_path: Path) -> None:
    """Or is an error, for who wants errors."""
    made = make(tmp_path, "")
    assert notes(made) == ["P: peripheral: has no registers; every access is to nothing (line 5)"]
    with pytest.raises(DescriptionError, match=r"P: <peripheral> has no registers$"):
        make(tmp_path, "", strict=True)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """A vendor's file is mended in one go, or trimmed: what was left out is no problem."""
    inside = (
        register("A", 0, "<size>0</size>")
        + register("B", 8)
        + register("C", 8)
        + register("D", 0xC, "<size>999</size>")
    )
    with pytest.raises(DescriptionError) as caught:
        make(tmp_path, inside, strict=True)
    *problems, last = caught.value.problems
    assert len(problems) == 3
    assert last == "what cannot be corrected in the file can be left out: without=['A', 'C', 'D']"
    device = make(tmp_path, inside, without=["A", "C", "D"], strict=True)
    assert [place.name for place in device.layout.places] == ["B"]


def test_clusters_that_are_not_right(tmp_path: Path) -> None:
    """One that is empty, one without an offset, one that is too deep: the registers beside them are there."""
    cluster = "<cluster><name>K{}</name><addressOffset>0x100</addressOffset>{}</cluster>"
    deep = register("R")
    for i in range(20):
        deep = cluster.format(i, deep)
    made = make(tmp_path, register("A") + cluster.format("E", "") + "<cluster><name>N</name></cluster>" + deep)
    assert [place.name for place in made.layout.places] == ["A"]
    assert [note.text for note in made.notes] == [
        "has no <addressOffset>; left out",
        "is a cluster in 8 clusters, expected fewer",
    ]


def test_names_get_what_the_peripheral_has_them_get(tmp_path: Path) -> None:
    """prependToName and appendToName, on registers and clusters but not inside of these."""
    cluster = f"<cluster><name>K</name><addressOffset>4</addressOffset>{register('B')}</cluster>"
    text = peripheral(register("A") + cluster)
    path = write(tmp_path, text.replace("</name>", "</name><prependToName>X_</prependToName>", 1))
    assert [place.name for place in from_svd(path, "P").layout.places] == ["X_A", "X_K.B"]
    path = write(tmp_path, text.replace("</name>", "</name><appendToName>_Y</appendToName>", 1))
    assert [place.name for place in from_svd(path, "P").layout.places] == ["A_Y", "K_Y.B"]


def test_two_registers_for_one_place(tmp_path: Path) -> None:
    """One that is read and one that is written are both there; of alternatives the first one is."""
    receive = register("RBR", 0, f"<access>read-only</access><fields>{field('DATA', '7:0')}</fields>")
    transmit = register("THR", 0, "<access>write-only</access>")
    divisor = register("DLL", 0, "<alternateRegister>RBR</alternateRegister>")
    made = make(tmp_path, receive + transmit + divisor)
    assert notes(made) == [
        "DLL: at 0x0: left out, because RBR is there; for the other choice: without=['RBR']",
    ]
    device = made()
    device.write(0, 4, 0x41)
    assert (device.THR.value, device.RBR.DATA, device.read(0, 4)) == (0x41, 0, 0)
    other = make(tmp_path, receive + transmit + divisor, without=["RBR", "THR"])
    assert [place.name for place in other.layout.places] == ["DLL"]


def test_too_many_registers_are_refused_before_they_are_made(tmp_path: Path) -> None:
    """Arrays in arrays multiply."""
    group = "<dim>300</dim><dimIncrement>4</dimIncrement>"
    cluster = f"<cluster><name>K%s</name><addressOffset>0</addressOffset>{group}{register('R%s', 0, group)}</cluster>"
    with pytest.raises(DescriptionError, match=r"K is there 89700 times; a device has at most 65536 registers$"):
        make(tmp_path, cluster)
    many = "<dim>40000</dim><dimIncrement>4</dimIncrement>"
    with pytest.raises(DescriptionError, match=r"R is there 40000 times; a device has at most 32768 registers besides"):
        make(tmp_path, register("R%s", 0, many))
    assert len(make(tmp_path, register("R[%s]", 0, many)).layout.places) == 40000
