"""Elements that are like others, and what clusters hand down."""

from pathlib import Path

import pytest

from mmio import DescriptionError, from_svd
from tests.mmio.descriptions.svd.files import field, make, peripheral, register, write


def derived(tag: str, source: str, name: str, more: str = "") -> str:
    return f'<{tag} derivedFrom="{source}"><name>{name}</name>{more}</{tag}>'


def test_a_register_is_like_another_but_for_what_it_says(tmp_path: Path) -> None:
    """Fields, size and reset value come from the source, which may be derived and may come later."""
    fields = f"<fields>{field('EN', '3:2')}</fields><size>16</size><resetValue>0x8</resetValue>"
    device = make(
        tmp_path,
        derived("register", "B", "A", "<addressOffset>0</addressOffset>")
        + derived("register", "C", "B", "<addressOffset>4</addressOffset><resetValue>0xC</resetValue>")
        + register("C", 8, fields),
    )()
    assert [(place.name, place.width) for place in device.layout.places] == [("A", 2), ("B", 2), ("C", 2)]
    assert (device.A.EN, device.B.EN, device.C.EN) == (3, 3, 2)


def test_sources_are_found_by_paths(tmp_path: Path) -> None:
    """In another peripheral, in a cluster there, in another register."""
    other = peripheral(
        "<cluster><name>K</name><addressOffset>0</addressOffset>"
        + register("CR", 0, f"<fields>{field('EN', '0:0')}</fields><resetValue>1</resetValue>")
        + "</cluster>",
        "Q",
    )
    mine = peripheral(
        derived("register", "Q.K.CR", "A", "<addressOffset>0</addressOffset>")
        + register("B", 4, "<fields>" + derived("field", "Q.K.CR.EN", "F", "<bitOffset>5</bitOffset>") + "</fields>")
        + register("C", 8, "<fields>" + derived("field", "A.EN", "F", "<bitRange>[7:6]</bitRange>") + "</fields>")
    )
    path = write(tmp_path, other + mine.replace("<bitOffset>5</bitOffset>", "<lsb>5</lsb><msb>5</msb>"))
    device = from_svd(path, "P")
    assert device().A.EN == 1
    assert [device.B.fields[0].place, device.C.fields[0].place] == ["5", "7:6"]


def test_a_field_may_keep_the_width_of_its_source(tmp_path: Path) -> None:
    """With a bitOffset of its own only."""
    source = "<field><name>A</name><bitOffset>0</bitOffset><bitWidth>3</bitWidth></field>"
    fields = source + derived("field", "A", "B", "<bitOffset>8</bitOffset>")
    assert make(tmp_path, register("R", 0, f"<fields>{fields}</fields>")).R.fields[1].place == "10:8"


def test_names_of_values_are_shared(tmp_path: Path) -> None:
    """Most files say only the name of the other enumeratedValues, wherever it is."""
    enum = "<enumeratedValues><name>ONOFF</name><enumeratedValue><name>ON</name><value>1</value></enumeratedValue>"
    one = register("A", 0, "<fields>" + field("F", "0:0", enum + "</enumeratedValues>") + "</fields>")
    two = register("B", 4, "<fields>" + field("G", "0:0", '<enumeratedValues derivedFrom="ONOFF"/>') + "</fields>")
    assert make(tmp_path, one + two).B.fields[0].enum == {1: "ON"}


def test_clusters_hand_down(tmp_path: Path) -> None:
    """Size and reset value of a cluster are its registers', clusters in it included, until they say otherwise."""
    inner = "<cluster><name>I</name><addressOffset>8</addressOffset>" + register("R") + "</cluster>"
    cluster = "<cluster><name>K</name><addressOffset>0</addressOffset><size>8</size><resetValue>7</resetValue>"
    device = make(tmp_path, cluster + register("R") + register("S", 2, "<size>16</size>") + inner + "</cluster>")()
    assert [(p.name, p.offset, p.width) for p in device.layout.places] == [
        ("K.R", 0, 1),
        ("K.S", 2, 2),
        ("K.I.R", 8, 1),
    ]
    assert device.K.I.R == 7


def test_an_array_is_not_inherited_by_a_single_name(tmp_path: Path) -> None:
    """A derived register is an array when its own name has a place for the label."""
    group = "<dim>2</dim><dimIncrement>4</dimIncrement>"
    device = make(
        tmp_path,
        register("A%s", 0, group)
        + derived("register", "A%s", "B", "<addressOffset>0x10</addressOffset>")
        + derived("register", "A%s", "C[%s]", "<addressOffset>0x20</addressOffset>"),
    )
    assert [place.name for place in device.layout.places] == ["A0", "A1", "B", "C[0]", "C[1]"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("B", "P.A: <derivedFrom> is 'B', which is not there; did you mean 'BB'[?]"),
        ("A", "P.A: <derivedFrom> is 'A', which is not there"),
        ("BB", "P.A: <derivedFrom> is 'A': derived from itself"),
    ],
)
def test_sources_that_cannot_be(tmp_path: Path, source: str, expected: str) -> None:
    """A missing source, itself, and a circle are errors at the element's line."""
    one = derived("register", source, "A", "<addressOffset>0</addressOffset>")
    two = derived("register", "A", "BB", "<addressOffset>4</addressOffset>")
    with pytest.raises(DescriptionError, match=expected):
        make(tmp_path, one + two, strict=True)


def test_a_source_that_is_not_there_costs_nothing_else(tmp_path: Path) -> None:
    """The register is what it says itself; an enumeration is without names."""
    one = derived("register", "NONE", "A", "<addressOffset>0</addressOffset>")
    two = register("B", 4, "<fields>" + field("G", "0:0", '<enumeratedValues derivedFrom="ONOFF"/>') + "</fields>")
    made = make(tmp_path, one + two)
    assert [place.name for place in made.layout.places] == ["A", "B"]
    assert [(note.name, note.word) for note in made.notes] == [("A", "derivedFrom"), ("B.G", "derivedFrom")]
    assert made.B.fields[0].enum == {}


def test_a_source_may_be_an_element_of_a_list(tmp_path: Path) -> None:
    """As Renesas has it: the second group of registers is derived from the first element of another."""
    group = "<dim>2</dim><dimIncrement>4</dimIncrement><size>16</size>"
    made = make(
        tmp_path, register("A%s", 0, group) + derived("register", "A0", "B", "<addressOffset>8</addressOffset>")
    )
    assert [(place.name, place.width) for place in made.layout.places] == [("A0", 2), ("A1", 2), ("B", 2)]
    assert made.notes == ()


def test_a_cluster_derived_from_the_one_around_it(tmp_path: Path) -> None:
    """Would be in itself without end."""
    inner = derived("cluster", "K", "I", "<addressOffset>8</addressOffset>")
    outer = f"<cluster><name>K</name><addressOffset>0</addressOffset>{register('R')}{inner}</cluster>"
    made = make(tmp_path, outer)
    assert [place.name for place in made.layout.places] == ["K.R"]
    assert [note.text for note in made.notes] == ["is 'K': derived from itself; taken as it says itself"]


def test_long_chains_of_sources_are_cut(tmp_path: Path) -> None:
    """After 64 of them; the registers are there."""
    registers = "".join(
        derived("register", f"R{i + 1}", f"R{i}", f"<addressOffset>{4 * i}</addressOffset>") for i in range(100)
    )
    made = make(tmp_path, registers + register("R100", 400))
    assert len(made.layout.places) == 101
    assert "R0: derivedFrom: is 'R64', the last of 64 sources of sources; taken as it says itself" in str(made.notes[0])
