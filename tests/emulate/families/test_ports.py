"""IN and OUT."""

import pytest

from emulate import Cpu, Emulator
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
