"""IN and OUT."""

import pytest

from emulate import Cpu, Emulator, GeneralProtection
from tests.emulate.everywhere import Everywhere


class Ports(Everywhere):
    """Ports that answer all ones."""

    def port_read(self, port: int, width: int) -> int:
        """Answer."""
        value = (1 << 8 * width) - 1
        self._log(1, port, width, value)
        return value


@pytest.mark.parametrize(
    ("code", "port", "width", "rax"),
    [
        ("e470", 0x70, 1, 0x11223344556677FF),
        ("66e570", 0x70, 2, 0x112233445566FFFF),
        ("e570", 0x70, 4, 0xFFFFFFFF),
        ("ec", 0x3F8, 1, 0x11223344556677FF),
        ("66ed", 0x3F8, 2, 0x112233445566FFFF),
        ("ed", 0x3F8, 4, 0xFFFFFFFF),
        ("f3ed", 0x3F8, 4, 0xFFFFFFFF),
        ("48ed", 0x3F8, 4, 0xFFFFFFFF),
    ],
)
def test_in(code: str, port: int, width: int, rax: int) -> None:
    """A port given in the instruction or in DX is read once into AL, AX or EAX; REX.W changes nothing."""
    bus, cpu = Ports(), Cpu(rax=0x1122334455667788, rdx=0xABCD03F8)
    Emulator(bus).step(cpu, bytes.fromhex(code))
    assert bus.log == [(1, port, width)]
    assert cpu.rax == rax


@pytest.mark.parametrize(
    ("code", "port", "width", "value"),
    [
        ("e670", 0x70, 1, 0x88),
        ("66e770", 0x70, 2, 0x7788),
        ("e7ff", 0xFF, 4, 0x55667788),
        ("ee", 0x3F8, 1, 0x88),
        ("66ef", 0x3F8, 2, 0x7788),
        ("ef", 0x3F8, 4, 0x55667788),
    ],
)
def test_out(code: str, port: int, width: int, value: int) -> None:
    """AL, AX or EAX is written once to the port; no register changes but RIP."""
    bus, cpu = Ports(), Cpu(rax=0x1122334455667788, rdx=0xABCD03F8)
    Emulator(bus).step(cpu, bytes.fromhex(code))
    assert (bus.log, bus.values) == ([(2, port, width)], [value])
    assert cpu == Cpu(rax=0x1122334455667788, rdx=0xABCD03F8, rip=len(bytes.fromhex(code)))


class Guard:
    """An IO permission check that remembers what it was asked."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.asked: list[tuple[int, int]] = []

    def __call__(self, port: int, width: int) -> bool:
        """Answer."""
        self.asked.append((port, width))
        return self.answer


@pytest.mark.parametrize("code", ["e470", "e670", "ec", "ee", "6c", "6e", "f36c", "f36e"])
def test_a_port_that_is_not_allowed_faults_before_anything(code: str) -> None:
    """The permission is asked with port and width; without it #GP comes before any access, also to memory."""
    bus, guard = Ports(), Guard(False)
    cpu = Cpu(rdx=0x70, rcx=2, rsi=0x1000, rdi=0x1000)
    before = cpu.copy()
    with pytest.raises(GeneralProtection, match=r"port 0x70 \(width 1\) is not allowed") as caught:
        Emulator(bus, port_allowed=guard).step(cpu, bytes.fromhex(code))
    assert (guard.asked, caught.value.error_code, bus.log, cpu) == ([(0x70, 1)], 0, [], before)


@pytest.mark.parametrize(("code", "asked"), [("f36c", []), ("e470", [(0x70, 1)])], ids=["no iterations", "in"])
def test_an_allowed_port_is_accessed(code: str, asked: list[tuple[int, int]]) -> None:
    """A yes lets the access happen; no iterations need no permission."""
    guard = Guard(True)
    Emulator(Ports(), port_allowed=guard).step(Cpu(), bytes.fromhex(code))
    assert guard.asked == asked
