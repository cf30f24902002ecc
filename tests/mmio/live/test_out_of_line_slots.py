"""Which out-of-line slot an execution of an instruction is given."""

import errno
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import Instruction, decode
from mmio.linux.libc import PAGE
from mmio.live.out_of_line_slots import _TAKEN, BLOCK_SIZE, MOST, Slot, Slots

FNSTENV = decode(bytes.fromhex("d937"))  # fnstenv [rdi], which stores
SQRTPS = decode(bytes.fromhex("0f5107"))  # sqrtps xmm0,[rdi], which loads
OTHER = decode(bytes.fromhex("0f5106"))  # sqrtps xmm0,[rsi]


class Memory:
    """Slots in a bytearray, at addresses from one page on."""

    def __init__(self) -> None:
        self.data = bytearray(PAGE)

    def new_block(self) -> int:
        start = len(self.data)
        self.data += bytes(-(-BLOCK_SIZE // PAGE) * PAGE)
        return start

    def write_code(self, address: int, code: bytes) -> None:
        self.write(address, code)

    def write(self, address: int, data: bytes) -> None:
        self.data[address : address + len(data)] = data

    def read(self, address: int, length: int) -> bytes:
        return bytes(self.data[address : address + length])


@pytest.fixture
def slots() -> Slots:
    return Slots(Memory())


def enter(slots: Slots, instruction: Instruction, thread: int = 1, ip: int = 0x400000) -> Slot:
    """Take a slot, and let the thread go into it."""
    return slots.take(instruction, ip, thread)


def leave(slots: Slots, slot: Slot) -> None:
    """Do what the CPU does at the end of a load's copy, or `finish` after that of a store."""
    if slot.instruction is FNSTENV:
        slot.release()
    else:
        slots.memory.write(slot.data + _TAKEN, bytes(8))


@pytest.mark.parametrize("instruction", [FNSTENV, SQRTPS], ids=["store", "load"])
def test_a_slot_in_use_is_not_given_away(slots: Slots, instruction: Instruction) -> None:
    """A second thread at the same instruction gets another slot, until the first has left its own."""
    first = enter(slots, instruction)
    second = enter(slots, instruction, thread=2)
    assert second is not first
    leave(slots, first)
    assert enter(slots, instruction, thread=3) is first


@given(st.lists(st.tuples(st.sampled_from([FNSTENV, SQRTPS, OTHER]), st.integers(0, 5)), max_size=200))
def test_no_two_executions_share_a_slot(steps: list[tuple[Instruction, int]]) -> None:
    """Whatever comes and goes, each execution has a slot of its own, with the code of its instruction."""
    slots, inside = Slots(Memory()), dict[int, Slot]()
    for instruction, thread in steps:
        if thread in inside:
            leave(slots, inside.pop(thread))
        else:
            slot = enter(slots, instruction, thread + 1)
            assert slot not in inside.values()
            assert slot.instruction is instruction
            assert slots.at(slot.start) is slots.at(slot.end) is slot
            inside[thread] = slot


def test_a_full_process_is_an_error(slots: Slots) -> None:
    """When a thread is in every slot that there may be, that is an error, and no slot is taken away."""
    taken = {id(enter(slots, FNSTENV, thread)): thread for thread in range(1, MOST + 1)}
    assert len(taken) == MOST
    with pytest.raises(MemoryError, match=f"all {MOST} out-of-line slots of a process are in use"):
        enter(slots, FNSTENV, thread=MOST + 1)


def test_an_ended_thread_leaves_its_slots(slots: Slots) -> None:
    """A thread that was killed in a slot does not keep it."""
    first, second = enter(slots, FNSTENV, thread=1), enter(slots, FNSTENV, thread=2)
    slots.release_of(1)
    assert enter(slots, FNSTENV, thread=3) is first
    assert enter(slots, FNSTENV, thread=3) is not second


def test_a_slot_goes_to_one_address_only(slots: Slots) -> None:
    """The same instruction at another address has a slot of its own: a thread may still be at the jump of the first."""
    leave(slots, first := enter(slots, SQRTPS))
    second = enter(slots, SQRTPS, ip=0x500000)
    assert second is not first
    after = [int.from_bytes(slots.memory.read(slot.data, 8), "little") for slot in (first, second)]
    assert after == [0x400000 + SQRTPS.length, 0x500000 + SQRTPS.length]


def test_a_copy_gives_way_when_all_slots_are_used(slots: Slots) -> None:
    """The oldest free slot is used again, and its old instruction is forgotten."""
    for number in range(MOST):
        slot = enter(slots, SQRTPS, ip=16 * number)
        if number != 0:
            leave(slots, slot)
    again = enter(slots, OTHER)
    assert again.instruction is OTHER
    assert again is not enter(slots, SQRTPS, ip=16)
    assert enter(slots, SQRTPS, ip=0).thread
    assert sum(map(len, slots._blocks.values())) == sum(map(len, slots._copies.values())) == MOST


def test_a_forked_process_has_slots_of_its_own(slots: Slots) -> None:
    """The blocks are the same, and nothing in the child's is in use."""
    slot = enter(slots, FNSTENV)
    twin = slots.copied_to(deepcopy(slots.memory))
    there = twin.at(slot.start)
    assert there is not None
    assert there is not slot
    assert there.thread == 0


def test_a_forked_process_has_no_block_that_came_after(slots: Slots) -> None:
    """The tracer hears of a fork when other threads have got blocks; where those lie the child may have anything."""
    first = enter(slots, FNSTENV)
    child = deepcopy(slots.memory)
    child.new_block()
    later = [enter(slots, FNSTENV, ip=16 * number) for number in range(100)][-1]
    twin = slots.copied_to(child)
    assert twin.at(first.start) is not None
    assert twin.at(later.start) is None


def test_a_block_that_is_lost_is_forgotten() -> None:
    """What the program has unmapped is not used again: another block is mapped, and copies are made anew."""

    class Partly(Memory):
        lost = 0

        def write(self, address: int, data: bytes) -> None:
            if address < self.lost:
                raise OSError(errno.EIO, "nothing is mapped there")
            super().write(address, data)

        def read(self, address: int, length: int) -> bytes:
            if address < self.lost:
                raise OSError(errno.EIO, "nothing is mapped there")
            return super().read(address, length)

    memory = Partly()
    slots = Slots(memory)
    enter(slots, FNSTENV)
    leave(slots, enter(slots, SQRTPS))
    memory.lost = len(memory.data)
    for instruction in SQRTPS, FNSTENV, OTHER:
        assert enter(slots, instruction).start >= memory.lost
    memory.lost = 1 << 64
    with pytest.raises(OSError, match="nothing is mapped"):
        enter(slots, OTHER, ip=16)
