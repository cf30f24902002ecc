"""SVD files, cut down to one peripheral."""

from pathlib import Path

import pytest

from mmio import DescriptionError, MmioError, from_svd
from tests.mmio.descriptions.svd.files import make, peripheral, register, write

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


def test_an_unknown_peripheral(tmp_path: Path) -> None:
    """Close names are suggested, whatever their case; else all are listed, those of arrays too."""
    with pytest.raises(DescriptionError, match=r"sensor.svd: there is no peripheral 'uart1'; did you mean 'UART1'"):
        from_svd(SENSOR, "uart1")
    with pytest.raises(DescriptionError, match=r"no peripheral 'I2S'; there are GPIOA, GPIOB, UART1, UART2$"):
        from_svd(SENSOR, "I2S")
    with pytest.raises(DescriptionError, match=r"no peripheral 'I2S'; there are none$"):
        from_svd(write(tmp_path, ""), "I2S")


def test_peripherals_may_be_an_array() -> None:
    """Each has its name and its base address."""
    assert [(from_svd(SENSOR, name).__name__, from_svd(SENSOR, name).base_address) for name in ("GPIOA", "GPIOB")] == [
        ("GPIOA", 0x4003_0000),
        ("GPIOB", 0x4003_1000),
    ]


def test_names_get_what_the_peripheral_has_them_get(tmp_path: Path) -> None:
    """prependToName and appendToName, on registers and clusters but not inside of these."""
    cluster = f"<cluster><name>K</name><addressOffset>4</addressOffset>{register('B')}</cluster>"
    text = peripheral(register("A") + cluster)
    path = write(tmp_path, text.replace("</name>", "</name><prependToName>X_</prependToName>", 1))
    assert [place.name for place in from_svd(path, "P").layout.places] == ["X_A", "X_K.B"]
    path = write(tmp_path, text.replace("</name>", "</name><appendToName>_Y</appendToName>", 1))
    assert [place.name for place in from_svd(path, "P").layout.places] == ["A_Y", "K_Y.B"]


def test_what_is_not_about_peripherals_is_passed_over(tmp_path: Path) -> None:
    """The CPU, and whatever vendors add to the device, have elements of the same names."""
    path = write(tmp_path, peripheral(register("CR")))
    extension = "<headerFile><prefixes><peripheral>LPC_</peripheral></prefixes></headerFile><cpu><name>X</name></cpu>"
    path.write_text(path.read_text().replace("<peripherals>", f"{extension}<peripherals>"))
    assert from_svd(path, "P").layout.places


def test_nothing_to_make_a_device_of(tmp_path: Path) -> None:
    """A peripheral without registers, or in other units than bytes."""
    with pytest.raises(DescriptionError, match=r"P has no registers$"):
        make(tmp_path, "")
    path = write(tmp_path, peripheral(register("CR")))
    path.write_text(path.read_text().replace("Bits>8<", "Bits>16<"))
    with pytest.raises(DescriptionError, match=r"<addressUnitBits> is 16, expected 8: offsets are bytes$"):
        from_svd(path, "P")
