"""MOV and its kin: how often memory is touched, how wide, and what becomes of the rest of a register."""

import pytest

from decode import InvalidInstruction
from emulate import Cpu, Emulator, Fault, UnsupportedInstruction
from tests.emulate.everywhere import Everywhere, Locking

OLD = 0xAAAAAAAAAAAAAAAA


def step(cpu: Cpu, code: str, bus: Everywhere | None = None) -> Everywhere:
    """Execute one instruction on memory that reads 11 22 33 … from 0x1000 on; return the bus."""
    bus = bus or Everywhere()
    bus.memory.update((0x1000 + i, 0x11 * (i + 1) & 0xFF) for i in range(16))
    Emulator(bus).step(cpu, bytes.fromhex(code))
    return bus


@pytest.mark.parametrize(
    ("code", "width", "rax"),
    [
        ("8a07", 1, 0xAAAAAAAAAAAAAA11),
        ("8a27", 1, 0xAAAAAAAAAAAA11AA),
        ("668b07", 2, 0xAAAAAAAAAAAA2211),
        ("8b07", 4, 0x44332211),
        ("488b07", 8, 0x8877665544332211),
        ("0fb607", 1, 0x11),
        ("660fb607", 1, 0xAAAAAAAAAAAA0011),
        ("480fb707", 2, 0x2211),
        ("0fbe4708", 1, 0xFFFFFF99),
        ("480fbe4708", 1, 0xFFFFFFFFFFFFFF99),
        ("660fbe4708", 1, 0xAAAAAAAAAAAAFF99),
        ("480fbf4707", 2, 0xFFFFFFFFFFFF9988),
        ("48634705", 4, 0xFFFFFFFF99887766),
        ("634705", 4, 0x99887766),
        ("66634705", 2, 0xAAAAAAAAAAAA7766),
        ("a1 0010000000000000", 4, 0x44332211),
        ("67a0 00100000", 1, 0xAAAAAAAAAAAAAA11),
    ],
)
def test_loads(code: str, width: int, rax: int) -> None:
    """A load reads its source once at its width; the destination is extended, merged or cleared as its width has it."""
    cpu = Cpu(rdi=0x1000, rax=OLD)
    bus = step(cpu, code)
    assert [(direction, wide) for direction, _, wide in bus.log] == [(1, width)]
    assert cpu.rax == rax


@pytest.mark.parametrize(
    ("code", "width", "value"),
    [
        ("8807", 1, 0x88),
        ("8827", 1, 0x77),
        ("668907", 2, 0x7788),
        ("8907", 4, 0x55667788),
        ("488907", 8, 0x1122334455667788),
        ("c60712", 1, 0x12),
        ("48c707000000f0", 8, 0xFFFFFFFFF0000000),
        ("a3 0010000000000000", 4, 0x55667788),
        ("8c1f", 2, 0x2B),
        ("668c1f", 2, 0x2B),
        ("488c1f", 2, 0x2B),
    ],
)
def test_stores_never_read(code: str, width: int, value: int) -> None:
    """A store is one write of its width; a selector is stored as two bytes whatever the operand size."""
    bus = step(Cpu(rdi=0x1000, rax=0x1122334455667788, ds=0x2B), code)
    assert (bus.log, bus.values) == ([(2, 0x1000, width)], [value])


def test_a_load_may_overwrite_its_own_address() -> None:
    """mov eax,[rax]: the address is the old value."""
    cpu = Cpu(rax=0x1000)
    assert step(cpu, "8b00").log == [(1, 0x1000, 4)]
    assert cpu.rax == 0x44332211


def test_selectors_into_registers() -> None:
    """MOV from a segment register zero-extends to 32 and 64 bits, and merges into 16."""
    for code, rax in (("8cd8", 0x2B), ("488cd8", 0x2B), ("668cd8", 0xAAAAAAAAAAAA002B)):
        cpu = Cpu(rax=OLD, ds=0x2B)
        step(cpu, code)
        assert cpu.rax == rax


def test_loading_a_segment_register() -> None:
    """In real mode the base follows; in protected mode the CPU object has to know; CS cannot be loaded at all."""
    cpu = Cpu(16, ax=0x1234)
    step(cpu, "8ed8")
    assert (cpu.ds, cpu.ds_base) == (0x1234, 0x12340)
    cpu = Cpu(16, bx=0x1000)
    assert step(cpu, "8e07").log == [(1, 0x1000, 2)]
    assert (cpu.es, cpu.es_base) == (0x2211, 0x22110)
    with pytest.raises(
        UnsupportedInstruction, match="'mov ds,ax' cannot be done: loading selector 0x1234 in protected"
    ):
        step(Cpu(rax=0x1234), "8ed8")


@pytest.mark.parametrize("code", ["8ec8", "8e0f"])
def test_cs_is_not_a_destination(code: str) -> None:
    """MOV to CS has no encoding."""
    with pytest.raises(InvalidInstruction):
        step(Cpu(rdi=0x1000), code)


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("4887d8", (1, 2), (2, 1)),
        ("87d8", (OLD, 2), (2, OLD & 0xFFFFFFFF)),
        ("86e0", (0x1122, 0), (0x2211, 0)),
        ("86c4", (0x1122, 0), (0x2211, 0)),
        ("6687d8", (OLD, 0x10002), (0xAAAAAAAAAAAA0002, 0x1AAAA)),
        ("87c0", (OLD, 0), (OLD & 0xFFFFFFFF, 0)),
    ],
)
def test_xchg_of_registers(code: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    """Both are read before either is written, halves of one register too; 32-bit ones lose their upper halves."""
    cpu = Cpu(rax=before[0], rbx=before[1])
    step(cpu, code)
    assert (cpu.rax, cpu.rbx) == after


@pytest.mark.parametrize("code", ["8707", "f08707"])
def test_xchg_with_memory_is_indivisible(code: str) -> None:
    """One read, one write, by the bus's `update` where there is one; LOCK prefix or not."""
    locking = Locking()
    for bus in (Everywhere(), locking):
        cpu = Cpu(rdi=0x1000, eax=0x55667788)
        step(cpu, code, bus)
        assert (bus.log, bus.values) == ([(1, 0x1000, 4), (2, 0x1000, 4)], [0x44332211, 0x55667788])
        assert cpu.rax == 0x44332211
    assert locking.updates == 1


def test_xchg_of_a_register_with_its_own_place() -> None:
    """xchg [rax],eax stores the address and loads what was there."""
    cpu = Cpu(rax=0x1000)
    assert step(cpu, "8700").values == [0x44332211, 0x1000]
    assert cpu.rax == 0x44332211


def test_every_address_is_checked_before_anything_is_touched() -> None:
    """A store to a place that is not canonical touches nothing."""
    bus = Everywhere()
    with pytest.raises(Fault):
        step(Cpu(rdi=1 << 63), "8807", bus)
    assert bus.log == []
