"""Allocate slots in which copies of instructions are executed out of line.

A slot has the code of the copy and, elsewhere, the data: the memory operand that the copy uses, and two words. No page
is both written and executed. The copy of a load ends by clearing the word that says the slot is in use, and jumps to
the instruction after the original; it touches no register and no flag. The copy of a store ends in HLT, which user code
may not execute.

A thread may be stopped between that word and the jump, and the slot be given to another execution meanwhile. So a slot
belongs to an instruction at one address, and the jump leads to the same place in every execution. A slot gets another
instruction only when there are as many as there may be, the oldest first.

The operand is aligned to 64 bytes. Where an operand must be aligned and is not, the CPU raises #GP before it looks for
the page (SDM vol. 3A, 7.9, priority of exceptions), and no slot is needed.
"""

import os
from threading import RLock
from typing import Final, Protocol

from attrs import define, field

from decode import WRITE, Instruction, MemoryTouch
from decode.redirect import redirect
from mmio.linux.libc import PAGE
from mmio.live.completion import operand_of

_CODE: Final = 64  # bytes of code for each slot
_DATA: Final = 1024  # bytes for its words and its operand
SLOTS_PER_BLOCK: Final = PAGE // _CODE
BLOCK_SIZE: Final = PAGE + SLOTS_PER_BLOCK * _DATA
"""Bytes of a block of slots: one page of code, then their data."""
MOST: Final = 4096
"""Slots in one process, each of which one thread is in."""

_RETURN: Final = 0  # in the data: the address after the original
_TAKEN: Final = 8
_TOKEN: Final = 16  # in the data of the first slot of a block
_TOKEN_LENGTH: Final = 16
_OPERAND: Final = 64
_HLT: Final = b"\xf4"
MARK: Final = b"original"
"""What follows the HLT of a slot, and after that is the address of the original: for a program whose tracer is killed,
see `mmio/ptrace/crash_handler.py`."""


class SlotMemory(Protocol):
    """Memory in which slots lie: that of this process, or of a tracee."""

    def new_block(self) -> int:
        """Map BLOCK_SIZE bytes, of which the first page can be executed and the rest written; return the address."""

    def write_code(self, address: int, code: bytes) -> None:
        """Replace code in the page that can be executed, while other threads execute other slots in it."""

    def write(self, address: int, data: bytes) -> None:
        """Write data."""

    def read(self, address: int, length: int) -> bytes:
        """Read data."""


@define(eq=False)
class Slot:
    """A place for a copy, and the execution it is taken for.

    Attributes:
        start: the address of the code.
        data: the address of its data.
        end: the address after the copy, of the HLT or the way out.
        instruction: the original; None before the first.
        ip: the address of the original.
        address: the address of the original's operand.
        stores: what the instruction writes.
        thread: the TID of the thread that is in the slot; 0 when it is free. The thread of a load has left it when the
            word in its data is 0.
    """

    start: int
    data: int
    end: int = 0
    instruction: Instruction | None = None
    ip: int = 0
    address: int = 0
    stores: list[MemoryTouch] = field(factory=list)
    thread: int = 0

    @property
    def operand(self) -> int:
        """The address of the operand that the copy uses."""
        return self.data + _OPERAND

    def release(self) -> None:
        """Mark the slot as free."""
        self.thread = 0


class Slots:
    """The slots of one process, made as they are needed.

    Args:
        memory: where they lie.
        bits: 64 or 32, the code that can reach them.
        lock: held while they change, and reentrant: a signal handler of the program may get in between.
    """

    def __init__(self, memory: SlotMemory, bits: int = 64, lock: "RLock | None" = None) -> None:
        self.memory = memory
        self.bits = bits
        self._blocks: dict[int, list[Slot]] = {}  # by where their code starts
        self._copies: dict[tuple[bytes, int], list[Slot]] = {}  # by the bytes of the instruction and its address
        self._unused: list[Slot] = []
        self._token = os.urandom(_TOKEN_LENGTH)
        self._fresh: int | None = None  # a block that is not in `_blocks` yet
        self._lock = RLock() if lock is None else lock

    def at(self, ip: int) -> Slot | None:
        """Return the slot whose code an address lies in."""
        slots = self._blocks.get(ip & -PAGE)
        return slots[(ip % PAGE) // _CODE] if slots is not None else None

    def take(self, instruction: Instruction, ip: int, thread: int) -> Slot:
        """Return a slot with a copy of an instruction, for a thread to execute in place of the one at `ip`.

        Raises:
            MemoryError: there is a thread in each of the slots that a process may have.
            OSError: no memory can be mapped.
        """
        try:
            return self._take(instruction, ip, thread)
        except OSError:
            if not self._forget_lost():
                raise
            return self._take(instruction, ip, thread)

    def _take(self, instruction: Instruction, ip: int, thread: int) -> Slot:
        slot: Slot | None = None
        try:
            with self._lock:
                copies = self._copies.get((instruction.code, ip), ())
                slot = next(filter(self._is_free, copies), None) or self._new(instruction, ip)
                self.memory.write(slot.data + _TAKEN, (1).to_bytes(8, "little"))
                slot.thread = thread
        except BaseException:
            if slot is not None:
                slot.release()
            raise
        return slot

    def release_of(self, thread: int) -> None:
        """Mark the slots of a thread that has ended as free."""
        for slots in self._blocks.values():
            for slot in slots:
                if slot.thread == thread:
                    slot.release()

    def copied_to(self, memory: SlotMemory) -> "Slots":
        """Return the slots of a process that a fork has made, which has the same blocks.

        Another thread may have got a block after the fork, before the tracer heard of it. The new process has none
        there: only where it has the token of these slots, too, it has the block.
        """
        twin = Slots(memory, self.bits)
        twin._token = self._token
        twin._blocks = {start: _slots_of(start) for start in self._blocks if self._marks(memory, start)}
        unused = {slot.start for slot in self._unused}
        twin._unused = [slot for slots in twin._blocks.values() for slot in slots if slot.start in unused]
        return twin

    def _forget_lost(self) -> bool:
        """Forget the blocks that the program has unmapped, or mapped something over; return whether there are any."""
        with self._lock:
            lost = [start for start in self._blocks if not self._marks(self.memory, start)]
            gone = {slot.start for start in lost for slot in self._blocks.pop(start)}
            self._unused = [slot for slot in self._unused if slot.start not in gone]
            for copies in self._copies.values():
                copies[:] = [slot for slot in copies if slot.start not in gone]
        return bool(lost)

    def _marks(self, memory: SlotMemory, start: int) -> bool:
        """Return whether a block of these slots is at an address of some memory."""
        try:
            return memory.read(start + PAGE + _TOKEN, _TOKEN_LENGTH) == self._token and len(memory.read(start, 1)) == 1
        except OSError:  # nothing is mapped there
            return False

    def _is_free(self, slot: Slot) -> bool:
        if slot.thread and not any(self.memory.read(slot.data + _TAKEN, 8)):
            slot.release()
        return not slot.thread

    def reserve(self) -> None:
        """Map a block now, if there is no slot without an instruction.

        A signal handler of Python's may raise behind each call here. Nothing is lost then: what has been taken from one
        place is in another before the next call.
        """
        if not self._unused and len(self._blocks) * SLOTS_PER_BLOCK < MOST:
            if self._fresh is None:
                self._fresh = self.memory.new_block()
            self.memory.write(self._fresh + PAGE + _TOKEN, self._token)  # again, if a handler raised before it
            slots = _slots_of(self._fresh)
            self._blocks[self._fresh], self._fresh = slots, None
            self._unused = slots[::-1]

    def _new(self, instruction: Instruction, ip: int) -> Slot:
        """Return a free slot with a new copy of an instruction; what the slot had before is forgotten."""
        self.reserve()
        if self._unused:
            slot = self._unused[-1]
            del self._unused[-1]
        else:
            slot = self._taken_back()
        try:
            code = redirect(instruction, slot.start, slot.operand)
            slot.end = slot.start + len(code)
            if operand_of(instruction).direction & WRITE:
                code += _HLT + MARK + ip.to_bytes(8, "little")
            else:
                code += _way_out(self.bits, slot)
            self.memory.write_code(slot.start, code)
            self.memory.write(slot.data + _RETURN, (ip + instruction.length).to_bytes(8, "little"))
            slot.instruction, slot.ip = instruction, ip
            copies = self._copies.setdefault((instruction.code, ip), [])
        except BaseException:
            self._unused.append(slot)
            raise
        copies += [slot]
        return slot

    def _taken_back(self) -> Slot:
        """Return a free slot that has no instruction any more, of those with one the first in order of their making."""
        for key, copies in self._copies.items():
            slot = next(filter(self._is_free, copies), None)
            if slot is not None:
                del copies[copies.index(slot)]
                if not copies:
                    del self._copies[key]
                return slot
        raise MemoryError(f"all {MOST} out-of-line slots of a process are in use")


def _slots_of(start: int) -> list[Slot]:
    return [Slot(start + _CODE * i, start + PAGE + _DATA * i) for i in range(SLOTS_PER_BLOCK)]


def _way_out(bits: int, slot: Slot) -> bytes:
    """Return the end of a copy that only loads: clear the word that says the slot is in use, and jump.

    Addresses are relative to the end of each instruction in 64-bit code, absolute in 32-bit code.
    """

    def word(place: int, end: int) -> bytes:
        return (slot.data + place - (end if bits == 64 else 0) & 0xFFFFFFFF).to_bytes(4, "little")

    wide = b"\x48" if bits == 64 else b""
    clear = wide + b"\xc7\x05" + word(_TAKEN, slot.end + len(wide) + 10) + bytes(4)  # mov [taken],0
    jump = b"\xff\x25" + word(_RETURN, slot.end + len(clear) + 6)  # jmp [return]
    return clear + jump
