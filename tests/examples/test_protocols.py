"""The protocol layers, on what drivers do to small devices."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmio import AddressSpace, Initiator, Trace, save

PROTOCOLS = Path(__file__).parents[2] / "examples" / "protocols"
BASE = 0xFE000000


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import one of the layers, as its own scripts would."""
    monkeypatch.syspath_prepend(PROTOCOLS)
    return importlib.import_module


def bus(device: Any, trace: Trace) -> Initiator:
    """Return a bus with a device of 0x40 bytes at `BASE`."""
    space = AddressSpace(trace)
    space.map(BASE, 0x40, device, "card")
    return space.initiator(0)


class Uart:
    """A UART that is always ready and has these bytes to give."""

    def __init__(self, answer: bytes) -> None:
        self.answer = list(answer)

    def read(self, offset: int, width: int) -> int:
        return self.answer.pop(0) if offset == 0 else 0x61

    def write(self, offset: int, width: int, value: int) -> None:
        pass


@pytest.fixture(params=[1, 4])
def uart(request: pytest.FixtureRequest) -> "tuple[Trace, int]":
    """What a driver does to set the line, say "AT" and hear "OK", with registers of 1 and of 4 bytes."""
    stride: int = request.param
    trace = Trace()
    port = bus(Uart(b"OK"), trace)
    for register, value in ((1, 0), (3, 0x80), (0, 12), (1, 0), (3, 0x03), (2, 0xC7)):
        port.write(BASE + register * stride, stride, value)
    for byte in b"AT":
        assert port.read(BASE + 5 * stride, stride) & 0x20
        port.write(BASE, stride, byte)
    for byte in b"OK":
        assert port.read(BASE + 5 * stride, stride) & 1
        assert port.read(BASE, stride) == byte
    return trace, stride


def test_uart_text_leaves_out_divisors_and_polls(uart: "tuple[Trace, int]", layer: Callable[[str], Any]) -> None:
    """The divisor is not taken for data, polls of the status are no bytes, and neighbouring bytes are one text."""
    module = layer("uart16550")
    trace, stride = uart
    assert [(event.kind, event.text) for event in module.decode(trace, stride)] == [
        ("line", b"9600 8N1"),
        ("sent", b"AT"),
        ("received", b"OK"),
    ]


@pytest.mark.parametrize(
    ("control", "divisor", "text"),
    [
        (0x03, 1, b"115200 8N1"),
        (0x1A, 96, b"1200 7E1"),
        (0x0E, 12, b"9600 7O2"),
        (0x28, 12, b"9600 5M1"),
        (0x3B, 12, b"9600 8S1"),
        (0x03, 0, b"? 8N1"),
    ],
)
def test_uart_settings_are_those_of_the_line_control_register(
    control: int, divisor: int, text: bytes, layer: Callable[[str], Any]
) -> None:
    """Word length, parity and stop bits are those of the line control register."""
    assert layer("uart16550").settings(control, divisor) == text


def test_uart_line_is_told_when_it_changes(layer: Callable[[str], Any]) -> None:
    """The same settings again are no event."""
    trace = Trace()
    port = bus(Uart(b""), trace)
    for control in (0x03, 0x03, 0x1A):
        port.write(BASE + 3, 1, control)
    assert [event.text for event in layer("uart16550").decode(trace)] == [b"? 8N1", b"? 7E1"]


class Flash:
    """A GPIO port with a flash chip on it that answers 0x9F with its JEDEC identity (mode 0)."""

    def __init__(self) -> None:
        self.pins = 1
        self.seen = ""
        self.answer = ""

    def read(self, offset: int, width: int) -> int:
        return 0xF0 | int(self.answer[:1] or "1")

    def write(self, offset: int, width: int, value: int) -> None:
        rose, fell, self.pins = value & ~self.pins, self.pins & ~value, value
        if fell & 1:
            self.seen = self.answer = ""
        if rose & 2:
            self.seen += str(value >> 2 & 1)
        if fell & 2:
            self.answer = f"{0xEF4018:024b}" if self.seen == f"{0x9F:08b}" else self.answer[1:]


def transfer(port: Initiator, bits: str) -> str:
    """Toggle the pins as Linux's spi-bitbang does: set the bit, raise the clock, read, lower the clock."""
    got = ""
    port.write(BASE, 4, 0)
    for bit in bits:
        port.write(BASE, 4, int(bit) << 2)
        port.write(BASE, 4, int(bit) << 2 | 2)
        got += str(port.read(BASE + 4, 4) & 1)
        port.write(BASE, 4, int(bit) << 2)
    port.write(BASE, 4, 1)
    return got


@pytest.fixture
def flash() -> Trace:
    """A driver that asks a flash chip who it is, and then wakes it with a transfer of 12 bits."""
    trace = Trace()
    port = bus(Flash(), trace)
    assert transfer(port, f"{0x9F000000:032b}")[8:] == f"{0xEF4018:024b}"
    transfer(port, f"{0xAB0:012b}")
    return trace


def test_each_chip_select_is_a_transaction(flash: Trace, layer: Callable[[str], Any]) -> None:
    """Each chip select is a transaction with the bytes of both wires; bits over are counted."""
    module = layer("spi")
    first, second = module.decode(flash)
    assert (first.mosi, first.miso, first.bits) == (bytes.fromhex("9f000000"), bytes.fromhex("ffef4018"), 0)
    assert (second.mosi, second.miso, second.bits) == (b"\xab", b"\xff", 4)
    assert first.time < second.time


def test_spi_pins_are_the_boards(flash: Trace, layer: Callable[[str], Any]) -> None:
    """Where the pins are is data: with the output register elsewhere, the same accesses are no transactions."""
    module = layer("spi")
    assert list(module.decode(flash, module.Pins(out=0x10))) == []


def test_a_transaction_without_its_end_is_left_out(flash: Trace, layer: Callable[[str], Any]) -> None:
    """A transaction whose end is not in the trace is left out."""
    assert len(list(layer("spi").decode(flash[:-1]))) == 1


def test_scripts_read_files(flash: Trace, tmp_path: Path) -> None:
    """Each layer is a script that takes a trace file and a region."""
    path = tmp_path / "run.jsonl"
    save(flash, path)
    command: list[str | Path] = [sys.executable, PROTOCOLS / "spi.py", path, "card"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].endswith(" ms  9f 00 00 00 -> ff ef 40 18")


@pytest.mark.parametrize("name", ["uart16550.py", "spi.py"])
def test_layers_are_short(name: str) -> None:
    """A layer is a page at most; that is the point."""
    code = [line for line in (PROTOCOLS / name).read_text().splitlines() if line.strip()]
    assert len(code) <= 60
