"""What a bus answers is looked at before it reaches a register."""

from typing import Any

import pytest

from emulate import BusError, Cpu, Emulator


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


@pytest.mark.parametrize("answer", [None, -1, 1 << 32, 0.5, "1"], ids=repr)
@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("8b07", "4 bytes at address 0x10"),
        ("ed", "4 bytes at port 0x70"),
        ("f00107", "4 bytes at address 0x10"),  # lock add
        ("f3ad", "4 bytes at address 0x20"),  # rep lodsd
        ("6d", "4 bytes at port 0x70"),  # insd
        ("62f17c491007", "4 bytes at address 0x10"),  # vmovups zmm0{k1},[rdi]
    ],
)
def test_what_does_not_fit_is_refused(answer: Any, code: str, place: str) -> None:
    """The error names answer, place, width and instruction, and the registers are as they were."""
    cpu = Cpu(rip=0x1000, rdi=0x10, rsi=0x20, rdx=0x70, rax=5, rcx=2, k1=1)
    before = cpu.copy()
    bus = Answering(answer)
    with pytest.raises(BusError) as caught:
        Emulator(bus).step(cpu, bytes.fromhex(code))
    text = str(caught.value)
    if isinstance(answer, int) or code not in ("8b07", "ed"):
        assert f"the bus answered {answer!r} to a read of {place}, expected an int in 0..0xffffffff, in '" in text
    else:
        assert text.startswith("the bus answered a read with something that is no int: unsupported operand type(s)")
    assert text.endswith("at ip 0x1000")
    assert cpu == before
    assert bus.written == []


def test_errors_of_the_bus_are_left_alone() -> None:
    """A TypeError that the bus raises is the bus's, and comes out as itself."""

    class Broken(Answering):
        def read(self, address: int, width: int) -> Any:
            return len(self.answer)

    with pytest.raises(TypeError, match="object of type 'int' has no len"):
        Emulator(Broken(1)).step(Cpu(rdi=0x10), bytes.fromhex("8b07"))


def test_an_update_is_checked() -> None:
    """The old value of a bus that updates by itself is an answer, too."""

    class Updating(Answering):
        def update(self, address: int, width: int, operation: object) -> Any:
            return self.answer

    cpu = Cpu(rdi=0x10)
    with pytest.raises(BusError, match="the bus answered 4294967296 to a read of 4 bytes at address 0x10"):
        Emulator(Updating(1 << 32)).step(cpu, bytes.fromhex("f00fc107"))  # lock xadd [rdi],eax


def test_an_element_of_a_gather_is_checked() -> None:
    """What was gathered before it stays, as with a fault."""
    cpu = Cpu(rdi=0x10, xmm1=1 << 31)
    with pytest.raises(BusError, match="the bus answered None to a read of 4 bytes at address 0x10"):
        Emulator(Answering(None)).step(cpu, bytes.fromhex("c4e271900427"))  # vpgatherdd xmm0,[rdi+xmm4],xmm1


def test_nobody_looks_where_a_bus_vouches() -> None:
    """The look is left out of what is compiled for such a bus; what fits is as usual."""
    emulator = Emulator(Answering(7), bus_checks_answers=True)
    cpu = Cpu(rdi=0x10)
    emulator.step(cpu, b"\x8b\x07")
    assert cpu.eax == 7
    assert "fitting" not in emulator.compile(64, b"\x8b\x07").source
    assert "fitting" in Emulator(Answering(7)).compile(64, b"\x8b\x07").source
