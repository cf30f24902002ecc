"""SVD files and their peripherals."""

from pathlib import Path

import pytest
from lxml import etree

from mmio import DescriptionError, MmioError, SvdFile, from_svd
from mmio.descriptions.svd.document import Document, read_document
from tests.mmio.descriptions.svd.files import peripheral, register, write

SENSOR = Path(__file__).parents[1] / "data" / "sensor.svd"


def test_what_is_not_there(tmp_path: Path) -> None:
    """A missing file, and a folder, are errors of the description; what the system said is the cause."""
    missing = tmp_path / "none.svd"
    with pytest.raises(DescriptionError, match=f"^{missing}: cannot be read: No such file or directory$") as caught:
        from_svd(missing, "P")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert isinstance(caught.value, MmioError)
    with pytest.raises(DescriptionError, match=f"^{tmp_path}: cannot be read: Is a directory$"):
        from_svd(tmp_path, "P")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "1:1"),
        (b"\x7fELF\x02\x01\x01\0\0", "1:1"),
        (b"addrmap a { };", "1:1"),
        (SENSOR.read_bytes()[:-2000], r"\d+:\d+"),
        (SENSOR.read_bytes().replace(b"<width>", b"<wide>"), "18:19"),
    ],
)
def test_what_is_not_xml(tmp_path: Path, content: bytes, place: str) -> None:
    """Empty, binary, another language, cut off, a typing error: an error at line and column."""
    path = tmp_path / "chip.svd"
    path.write_bytes(content)
    with pytest.raises(DescriptionError, match=rf"^{path}:{place}: not XML, or only a part of it: "):
        from_svd(path, "UART1")


def test_what_is_other_xml(tmp_path: Path) -> None:
    """A picture is XML too."""
    path = tmp_path / "chip.svd"
    path.write_text("<svg><g/></svg>")
    with pytest.raises(DescriptionError, match=rf"^{path}:1: expected <device>, as CMSIS-SVD files begin, got <svg>$"):
        from_svd(path, "UART1")


def test_nothing_outside_of_the_file_is_read(tmp_path: Path) -> None:
    """An external entity stays empty, so a description cannot bring in other files."""
    secret = tmp_path / "secret"
    secret.write_text("<register><name>SECRET</name><addressOffset>4</addressOffset></register>")
    path = write(tmp_path, peripheral(register("CR") + "&out;"))
    path.write_text(f'<!DOCTYPE device [<!ENTITY out SYSTEM "{secret}">]>\n' + path.read_text())
    assert [place.name for place in from_svd(path, "P").layout.places] == ["CR"]


def test_peripherals_may_be_an_array() -> None:
    """Each has its name and its base address."""
    assert [(from_svd(SENSOR, name).__name__, from_svd(SENSOR, name).base_address) for name in ("GPIOA", "GPIOB")] == [
        ("GPIOA", 0x4003_0000),
        ("GPIOB", 0x4003_1000),
    ]


def test_what_is_not_about_peripherals_is_passed_over(tmp_path: Path) -> None:
    """The CPU, and whatever vendors add to the device, have elements of the same names."""
    path = write(tmp_path, peripheral(register("CR")))
    extension = "<headerFile><prefixes><peripheral>LPC_</peripheral></prefixes></headerFile><cpu><name>X</name></cpu>"
    path.write_text(path.read_text().replace("<peripherals>", f"{extension}<peripherals>"))
    assert from_svd(path, "P").layout.places


def test_the_file_is_parsed_once(tmp_path: Path) -> None:
    """As long as its bytes are the same; a file that was changed within a tick of the clock is a new one."""
    path = write(tmp_path, peripheral(register("CR")))
    one = read_document(path)
    assert read_document(path) is one
    path.write_bytes(path.read_bytes().replace(b"CR", b"SR"))
    assert read_document(path) is not one
    assert [place.name for place in from_svd(path, "P").layout.places] == ["SR"]


def test_a_file_that_never_ends_is_refused() -> None:
    """After as much of it as a description could have."""
    with pytest.raises(DescriptionError, match=r"^/dev/zero: has more than 64 MiB, which no chip's description has$"):
        read_document("/dev/zero")


def test_a_source_may_be_an_element_of_an_array() -> None:
    """R%s has R, R0 and R1, or those that dimIndex lists."""
    numbers = "<register><name>R[%s]</name><dim>4</dim></register>"
    listed = "<register><name>A%sB</name><dim>2</dim><dimIndex>LO,HI</dimIndex></register>"
    scope = etree.fromstring(f"<registers>{numbers}{listed}</registers>")
    document = Document("x.svd", scope)
    for wanted, found in (("R", 0), ("R0", None), ("R[0]", 0), ("R[%s]", 0), ("AHIB", 1), ("AB", 1), ("AMIDB", None)):
        asking = etree.SubElement(scope, "register", derivedFrom=wanted)
        assert document.source(asking) is (None if found is None else scope[found]), wanted


def test_peripherals_that_are_not_right(tmp_path: Path) -> None:
    """Without a name, with a name that is taken, with an odd base address or array: a note for each, or an error."""
    text = "<peripheral><name>{}</name><baseAddress>{}</baseAddress>{}</peripheral>"
    path = write(
        tmp_path,
        text.format("", 0, "")
        + text.format("A", "0x10", "")
        + text.format("A", "0x20", "")
        + text.format("B", "x", "")
        + text.format("C%s", 0, "<dim>0</dim>")
        + text.format("D", 0, "<dim>2</dim><dimIncrement>4</dimIncrement>"),
    )
    chip = SvdFile(path)
    assert list(chip) == ["A", "B", "C", "D0", "D1"]
    assert sorted((note.name, note.word) for note in chip.notes) == [
        ("", "name"),
        ("A", "name"),
        ("B", "baseAddress"),
        ("C%s", "dim"),
    ]
    with pytest.raises(DescriptionError, match="<baseAddress> is 'x', expected a number such as 16, 0x10 or #10000"):
        SvdFile(path, strict=True)
