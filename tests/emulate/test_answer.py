"""Answers of buses that nobody has checked."""

from typing import Any

import pytest

from emulate import BusError, Cpu, Emulator, Ram
from emulate.answer import CheckedBus


class Answering:
    """A bus that answers anything asked for with one object, and notes what is written."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.written: list[tuple[int, int, int]] = []

    def read(self, address: int, width: int) -> Any:
        return self.answer

    def write(self, address: int, width: int, value: int) -> None:
        self.written.append((address, width, value))

    def port_read(self, port: int, width: int) -> Any:
        return self.answer

    def port_write(self, port: int, width: int, value: int) -> None:
        self.written.append((port, width, value))


class Index:
    """What Python itself takes for an integer."""

    def __index__(self) -> int:
        return 0x12345678


@pytest.mark.parametrize("answer", [None, -1, 1 << 32, 0.5, "1"], ids=repr)
@pytest.mark.parametrize(
    ("code", "place"),
    [("8b07", "4 bytes at address 0x10"), ("ed", "4 bytes at port 0x70"), ("f00107", "4 bytes at address 0x10")],
)
def test_what_does_not_fit_is_refused(answer: Any, code: str, place: str) -> None:
    """The error names answer, place, width and instruction, and the registers are as they were."""
    cpu = Cpu(rip=0x1000, rdi=0x10, rdx=0x70, rax=5)
    before = cpu.copy()
    bus = Answering(answer)
    with pytest.raises(BusError) as caught:
        Emulator(bus).step(cpu, bytes.fromhex(code))
    text = str(caught.value)
    assert f"the bus answered {answer!r} to a read of {place}, expected an int in 0..0xffffffff, in '" in text
    assert text.endswith("at ip 0x1000")
    assert cpu == before
    assert bus.written == []


def test_what_fits_is_taken() -> None:
    """Anything with `__index__` is an int."""
    cpu = Cpu(rdi=0x10)
    Emulator(Answering(Index())).step(cpu, bytes.fromhex("8b07"))
    assert cpu.rax == 0x12345678


def test_an_update_is_checked() -> None:
    """The old value of a bus that updates by itself is an answer, too."""

    class Updating(Answering):
        def update(self, address: int, width: int, operation: object) -> Any:
            return self.answer

    cpu = Cpu(rdi=0x10)
    with pytest.raises(BusError, match="the bus answered 4294967296 to a read of 4 bytes at address 0x10"):
        Emulator(Updating(1 << 32)).step(cpu, bytes.fromhex("f00fc107"))  # lock xadd [rdi],eax


def test_who_vouches_is_not_checked() -> None:
    """A bus with `exact = True` is used as it is; the emulator's own memory and an address space are such."""
    exact = Answering(1)
    exact.exact = True  # type: ignore[attr-defined]
    for bus, checked in ((exact, False), (Ram(1), False), (Answering(1), True)):
        emulator = Emulator(bus)
        assert emulator.bus is bus
        assert isinstance(emulator._bus, CheckedBus) == checked


def test_what_a_bus_may_have_is_handed_on() -> None:
    """Blocks and the rest are there if and only if the bus has them."""
    checked = CheckedBus(Ram(b"abcd"))
    assert checked.read_block(1, 2) == b"bc"
    assert not hasattr(checked, "update")
