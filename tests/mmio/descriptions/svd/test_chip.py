"""Devices made from SVD peripherals, one or all."""

import sys
import warnings
from pathlib import Path

import pytest

from mmio import DescriptionError, DescriptionWarning, Device, SvdFile, from_svd
from mmio.descriptions.svd import document
from tests.mmio.descriptions.svd.files import peripheral, register, write

SENSOR = Path(__file__).parents[1] / "data" / "sensor.svd"


def test_a_whole_peripheral() -> None:
    """Names, offsets, widths, fields, names of values, resets: as the file has them, arrays and clusters too."""
    with pytest.warns(DescriptionWarning):
        uart = from_svd(SENSOR, "UART1")
    assert Device in uart.__mro__
    assert (uart.__name__, uart.base_address, uart.source) == ("UART1", 0x4001_0000, str(SENSOR))
    assert uart().dump().splitlines() == [
        "0x00  CR                 0x00000010 BAUD=0x001",
        "0x04  SR                 0x00000001 TXE",
        "0x08  DR                 0x0000",
        "0x0c  KEY                0x00000000",
        "0x10  LOCK               0x00000000",
        "0x20  FILTER[0..3]       0x000000ff",
        "0x30  STAMP_LO           0x00000000",
        "0x34  STAMP_HI           0x00000000",
        "0x40  DMA[0].COUNT       0x0000",
        "0x4a  DMA[0].BURST.SIZE  0x04",
        "0x50  DMA[1].COUNT       0x0000",
        "0x5a  DMA[1].BURST.SIZE  0x04",
    ]
    assert uart.CR.doc == "Control"


def test_what_a_device_does_not_do_is_noted_and_warned_of() -> None:
    """One warning, where the user's code called, with a line a note: register, property, what of it."""
    with pytest.warns(DescriptionWarning) as caught:
        uart = from_svd(SENSOR, "UART1")
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).splitlines() == [
        f"{SENSOR}: UART1 is not all its description says (4 notes):",
        "  UART1: interrupt UART1_IRQ: number 25 is not driven; declare irq = line() and set it",
        "  DR: readAction modifyExternal: reading changes nothing; a reads handler can",
        "  KEY: writeConstraint: not checked; a written handler can",
        "  LOCK: writeConstraint: not checked; a written handler can",
    ]
    assert [str(note) for note in uart.notes] == [line.strip() for line in str(warning.message).splitlines()[1:]]


def test_a_derived_peripheral_is_the_same_elsewhere() -> None:
    """With its own base address and interrupts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = from_svd(SENSOR, "UART1"), from_svd(SENSOR, "UART2")
    assert one().dump() == two().dump()
    assert two.base_address == 0x4002_0000
    assert [note.word for note in two.notes if "interrupt" in note.word] == ["interrupt UART2_IRQ"]


def test_nothing_is_warned_of_when_all_is_done(recwarn: pytest.WarningsRecorder) -> None:
    """A description in a Device's words is silent."""
    assert from_svd(SENSOR, "GPIOA").notes == ()
    assert not recwarn.list


def test_handlers_hang_on_registers() -> None:
    """The class is there to be subclassed; registers are attributes under their names."""
    with pytest.warns(DescriptionWarning):
        base = from_svd(SENSOR, "UART1")

    class Uart(base):  # type: ignore[valid-type,misc]
        sent = 0

        @base.DR.written  # type: ignore[untyped-decorator]
        def _send(self, old: int, new: int) -> None:
            self.sent = new

        @base.FILTER.written  # type: ignore[untyped-decorator]
        def _filter(self, index: int, old: int, new: int) -> None:
            self.sent = index

    uart = Uart()
    uart.write(8, 2, 0x41)
    assert uart.sent == 0x41
    uart.write(0x2C, 4, 1)
    assert uart.sent == 3


def test_without_lxml_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "lxml", None)
    monkeypatch.setattr(document, "_latest", [])
    with pytest.raises(ImportError, match=r"reading SVD needs lxml: pip install 'pagetrap\[svd\]'"):
        from_svd(SENSOR, "UART1")


def test_an_unknown_peripheral(tmp_path: Path) -> None:
    """Close names are suggested, whatever their case; else all are listed, those of arrays too."""
    with pytest.raises(DescriptionError, match=r"sensor.svd: there is no peripheral 'uart1'; did you mean 'UART1'"):
        from_svd(SENSOR, "uart1")
    with pytest.raises(DescriptionError, match=r"no peripheral 'I2S'; there are GPIOA, GPIOB, UART1, UART2$"):
        from_svd(SENSOR, "I2S")
    with pytest.raises(DescriptionError, match=r"no peripheral 'I2S'; there are none$"):
        from_svd(write(tmp_path, ""), "I2S")
    with pytest.raises(KeyError, match="there is no peripheral 'uart1'; did you mean 'UART1'"):
        SvdFile(SENSOR)["uart1"]


def test_a_file_is_a_mapping_of_its_peripherals() -> None:
    """A class is made when it is asked for, and once; there is one warning for all of them."""
    chip = SvdFile(SENSOR)
    assert (list(chip), len(chip), "UART1" in chip, "UART3" in chip) == (
        ["UART1", "UART2", "GPIOA", "GPIOB"],
        4,
        True,
        False,
    )
    assert chip.notes == []
    with pytest.warns(DescriptionWarning, match="UART1 is not all its description says") as caught:
        devices = dict(chip)
    assert len(caught) == 1
    assert chip["UART2"] is devices["UART2"]
    assert chip.notes == [note for device in devices.values() for note in device.notes]
    assert [device.base_address for device in devices.values()] == [0x4001_0000, 0x4002_0000, 0x4003_0000, 0x4003_1000]


def test_a_file_is_parsed_once_for_all_peripherals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether they are asked for one by one or of the file."""
    parsed = []
    parse = document._root

    def counted(path: Path, content: bytes) -> object:
        parsed.append(path)
        return parse(path, content)

    monkeypatch.setattr(document, "_root", counted)
    path = write(tmp_path, peripheral(register("A"), "P") + peripheral(register("A"), "Q"))
    for name in ("P", "Q", "P"):
        assert from_svd(path, name).layout.places
    assert all(device.layout.places for device in SvdFile(path).values())
    assert len(parsed) == 1
