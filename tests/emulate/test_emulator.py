"""One step at a time."""

import random
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import DecodeError, Instruction, InstructionTooLong, InvalidInstruction, TruncatedInstruction
from emulate import Cpu, Emulator, Fault, GeneralProtection, PageFault, Ram, UnsupportedInstruction
from tests.emulate.everywhere import Everywhere
from tests.oracle.case import Case, Signal
from tests.oracle.host import need_silicon


class Plain:
    """A bus with the four methods and nothing else, over one piece of code."""

    def __init__(self, code: str, base: int) -> None:
        self.code, self.base = bytes.fromhex(code), base
        self.read_at: list[int] = []

    def read(self, address: int, width: int) -> int:
        """Return a code byte."""
        self.read_at.append(address)
        if address >= self.base + len(self.code):
            raise PageFault(address)
        return self.code[address - self.base]

    def write(self, address: int, width: int, value: int) -> None:
        """Refuse."""
        raise AssertionError

    port_read = read
    port_write = write


@pytest.mark.parametrize("code", ["4883c010", 0x48, [0x48, 0x83, 0xC0, 0x10]])
def test_code_is_bytes(code: object) -> None:
    """Anything else is a TypeError that says how to make them, also an int, which bytes() takes for a length."""
    cpu = Cpu(rip=0x400000)
    with pytest.raises(TypeError, match=f"code is bytes, not {type(code).__name__}; bytes.fromhex"):
        Emulator(Ram(1)).step(cpu, code)  # type: ignore[arg-type]
    assert cpu.rip == 0x400000


def test_a_step_executes_one_instruction_and_returns_it() -> None:
    """It executes one instruction, moves RIP, and returns the instruction; what follows it is not looked at."""
    cpu = Cpu(rax=1, rip=0x400000)
    instruction = Emulator(Ram(1)).step(cpu, bytes.fromhex("4883c010 4883c020"))
    assert instruction.format() == "add rax,10h"
    assert (cpu.rax, cpu.rip) == (0x11, 0x400004)


def test_code_is_fetched_from_the_bus() -> None:
    """Without code, the bytes at RIP are; in 32- and 16-bit code at CS:IP."""
    for cpu in (Cpu(rip=0x1002), Cpu(32, eip=2, cs_base=0x1000), Cpu(16, ip=0xFFF2, cs=0xF01)):
        ram = Ram(bytes.fromhex("f4f4 ffc0 f4"), base=0x1000 if cpu.bits != 16 else 0x1F000)
        Emulator(ram).step(cpu)
        assert cpu.eax == 1


def test_no_more_code_is_read_than_there_is() -> None:
    """A bus without `fetch` is read byte by byte, to the end of the instruction and no further."""
    bus, cpu = Plain("4883c010", 0x1000), Cpu(rip=0x1000)
    Emulator(bus).step(cpu)
    assert (cpu.rax, bus.read_at) == (0x10, [0x1000, 0x1001, 0x1002, 0x1003])
    last = Ram(bytes.fromhex("f4ffc0"), base=0x1000)
    assert Emulator(last).step(Cpu(rip=0x1001)).length == 2


class Pages(Ram):
    """RAM that gives out code as far as the end of its page only."""

    def fetch(self, address: int, length: int) -> bytes:
        """Return no byte of the next page."""
        return super().fetch(address, min(length, 0x1000 - address % 0x1000))


def test_code_that_crosses_pages_is_fetched_in_pieces() -> None:
    """`fetch` may return fewer bytes than an instruction has; it is then asked for the next ones."""
    ram, cpu = Pages(0x2000), Cpu(rip=0xFFE)
    ram.write_block(0xFFE, bytes.fromhex("4883c010"))
    Emulator(ram).step(cpu)
    assert (cpu.rax, cpu.rip) == (0x10, 0x1002)


@pytest.mark.parametrize(
    ("code", "fault_address"), [("4883c0", 0x1000), ("66" * 14, 0x1000), ("66" * 15, None), ("f0", 0x1000)]
)
@pytest.mark.parametrize("bus", [Pages, lambda code, base: Plain(code.hex(), base)], ids=["fetch", "bytes"])
def test_code_that_ends_with_the_memory(bus: Callable[[bytes, int], Any], code: str, fault_address: int | None) -> None:
    """The bus raises the page fault of the next byte; after the fifteenth byte of an instruction none is read."""
    machine = bus(bytes.fromhex(code), 0x1000 - len(bytes.fromhex(code)))
    cpu = Cpu(rip=machine.base)
    with pytest.raises(InstructionTooLong if fault_address is None else PageFault) as caught:
        Emulator(machine).step(cpu)
    assert getattr(caught.value, "address", None) == fault_address
    assert cpu == Cpu(rip=machine.base)


@pytest.mark.parametrize(
    ("cpu", "code"),
    [
        (Cpu(rip=0x800000000000), "90"),  # not canonical
        (Cpu(16, ip=0xFFFF), "89d8"),  # two bytes at the segment's last one
        (Cpu(16, ip=0xFFFF), "66"),
        (Cpu(32, eip=0x2000), "90"),
    ],
)
def test_code_outside_of_its_segment(cpu: Cpu, code: str) -> None:
    """Fetching it raises #GP(0), and nothing is executed."""
    cpu.limits = [0xFFFF if cpu.bits == 16 else 0x1FFF] * 6
    before = cpu.copy()
    with pytest.raises(GeneralProtection) as caught:
        Emulator(Ram(bytes.fromhex(code).ljust(32, b"\x90"), base=cpu.rip)).step(cpu)
    assert caught.value.error_code == 0
    assert cpu == before


@pytest.mark.silicon
def test_code_outside_of_its_segment_on_silicon() -> None:
    """The CPU raises #GP for an instruction of which one byte lies beyond the limit, and for none before it."""
    for ip in (0xFFFE, 0xFFFF):
        silicon = need_silicon().run(Case(bytes.fromhex("89d8"), bits=16, ip=ip, bases={"cs": 0x10010}))
        assert silicon.fault == Signal(signal.SIGSEGV, 0x80, 0)
        assert silicon.rip == (0x10000 if ip == 0xFFFE else ip)  # executed, and the next one is not there


@pytest.mark.parametrize("code", [bytearray(b"\xff\xc0"), memoryview(b"\xff\xc0"), b"\xff\xc0"])
def test_code_is_any_kind_of_bytes(code: bytes) -> None:
    """A bytearray or a memoryview does as well."""
    cpu = Cpu()
    Emulator(Ram(1)).step(cpu, code)
    assert cpu.eax == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [("0fa2", UnsupportedInstruction), ("f08b07", InvalidInstruction), ("8b", TruncatedInstruction)],
)
def test_what_cannot_be_done_changes_nothing(code: str, error: type[Exception]) -> None:
    """An instruction that is not emulated, not one, or not all there leaves every register."""
    cpu = Cpu(rip=0x1000, rax=5)
    for _ in range(2):
        with pytest.raises(error) as caught:
            Emulator(Ram(1)).step(cpu, bytes.fromhex(code))
        assert caught.value.__context__ is None
    assert cpu == Cpu(rip=0x1000, rax=5)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), PageFault(0x1000)])
def test_what_the_bus_raises_comes_out_as_itself(error: BaseException) -> None:
    """The very object; of exceptions that are no faults nothing is added."""

    class Raising(Ram):
        def read(self, address: int, width: int) -> int:
            raise error

    cpu = Cpu(rip=0x1000, rax=5)
    with pytest.raises(type(error)) as caught:
        Emulator(Raising(1)).step(cpu, b"\x8b\x07")
    assert caught.value is error
    assert cpu == Cpu(rip=0x1000, rax=5)


def test_compiled_instructions_are_remembered() -> None:
    """The same bytes are compiled once, with or without others behind them; each mode apart."""
    machine = Emulator(Ram(1))
    first = machine.compile(64, b"\x8b\x07")
    assert machine.compile(64, b"\x8b\x07\x90") is first
    assert machine.compile(32, b"\x8b\x07") is not first


def test_a_mode_nobody_knows_is_refused() -> None:
    """A register file whose `bits` is no mode cannot be stepped."""
    cpu = Cpu()
    cpu.bits = 63
    with pytest.raises(ValueError, match="bits is 16, 32 or 64, not 63"):
        Emulator(Ram(1)).step(cpu, b"\x90")


@pytest.mark.parametrize("most", [0, -1])
def test_a_bound_is_at_least_one(most: int) -> None:
    """A step that may do nothing would never end."""
    with pytest.raises(ValueError, match=f"max_iterations is at least 1, not {most}"):
        Emulator(Ram(1), max_iterations=most)


# Openings that lead to every map of opcodes; arbitrary bytes alone would rarely get past the first.
openings = st.sampled_from(
    ["", "66", "67", "f0", "f2", "f3", "65", "48", "0f", "0f38", "c5", "c4e2", "62f1", "62f2", "dd"]
)


@given(openings, st.binary(min_size=15, max_size=15), st.sampled_from([16, 32, 64]), st.integers(0, 2**64 - 1))
def test_arbitrary_bytes_raise_documented_errors_only(opening: str, code: bytes, bits: int, seed: int) -> None:
    """Any bytes with any registers are executed, fault, or are refused; registers stay in range."""
    source = random.Random(seed)
    cpu = Cpu(bits, protected=source.random() < 0.5, fsw=source.getrandbits(16), ftw=source.getrandbits(8))
    cpu.regs[:16] = [source.getrandbits(source.choice((3, 16, 32, 47, 64))) for _ in range(16)]
    cpu.rflags = source.getrandbits(12) & 0xCD5 | 2
    cpu.k[:] = [source.getrandbits(64) for _ in range(8)]
    cpu.limits = [0xFFFF] * 6 if source.random() < 0.3 else None
    bus = Everywhere()
    with suppress(DecodeError, Fault, UnsupportedInstruction):
        Emulator(bus, max_iterations=8).step(cpu, bytes.fromhex(opening) + code)
    for words, width in ((cpu.regs, 64), (cpu.vector, 512), (cpu.k, 64), (cpu.x87, 80), (cpu.bases, 64)):
        assert all(0 <= word < 1 << width for word in words)
    assert all(0 <= place < 1 << (64 if bits == 64 else 33) for _, place, _ in bus.log)


class Told(Everywhere):
    """A bus that wants to know which instruction runs."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []

    def begin(self, instruction: Instruction, ip: int) -> None:
        """Take note."""
        self.told.append((str(instruction), ip))


def test_a_bus_is_told_what_runs() -> None:
    """A bus that has `begin` is told the instruction and its address before each step."""
    bus = Told()
    Emulator(bus).step(Cpu(rdi=0x1000, rip=0x400000), b"\x8b\x07")
    assert bus.told == [("mov eax,[rdi]", 0x400000)]


def test_the_bus_may_be_exchanged() -> None:
    """What was compiled for one bus runs on another, and the other one is told."""
    machine = Emulator(first := Told())
    machine.step(Cpu(rdi=0x1000), b"\x8b\x07")
    machine.bus = other = Told()
    machine.step(Cpu(rdi=0x2000), b"\x8b\x07")
    assert machine.bus is other
    assert other.log == [(1, 0x2000, 4)]
    assert (len(first.told), len(other.told)) == (1, 1)


def test_a_former_argument_still_works() -> None:
    """`vouched`, which is `bus_checks_answers` now, does the same and warns."""
    with pytest.warns(DeprecationWarning, match="bus_checks_answers"):
        old = Emulator(Ram(16), vouched=True)
    assert old.settings == Emulator(Ram(16), bus_checks_answers=True).settings
