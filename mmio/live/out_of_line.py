"""Completing natively what the emulator does not do: the CPU runs a copy of the instruction, out of line.

The copy's memory operand is a scratch slot, and nothing else differs: it runs with the program's own registers, which
the handler leaves in the frame. What the instruction reads is put into the slot from the device first, access by access
as `decode.accesses` has them. A copy that only loads ends in a jump to the next instruction, and no second trap
happens. A copy that stores ends in HLT, which user code may not execute: that traps once more, and what the copy left
in the slot goes to the device.

Each copy has two pages of its own, one to run and one to write, so that no page is ever both. A copy belongs to one
thread at a time: a word says so, which the copy itself clears on its way out, touching no register and no flag. When
another thread, or a signal handler that got in between, needs the same instruction, another copy is made. Copies are
kept as long as the process lives.

An operand that must be aligned and is not never comes here: the CPU raises #GP for it before it looks for the page (SDM
vol. 3A, 7.9, priority of exceptions), so no slot has to lie as its operand did.
"""

from collections.abc import Callable
from ctypes import c_uint64, memmove, string_at
from threading import RLock
from typing import Final, TypeAlias

from decode import READ, WRITE, Instruction, MemoryTouch, accesses
from decode.redirect import redirect
from decode.resolve import effective_address
from emulate import UnsupportedInstruction
from mmio.linux import libc
from mmio.linux.libc import PAGE
from mmio.linux.trampoline import COPIES_START, trampoline
from mmio.live.completion import can_complete, marked, operand_of
from mmio.live.signal_frame import RIP, Frame
from mmio.records.flags import NATIVE
from mmio.space.initiator import Initiator

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

Run: TypeAlias = Callable[[Frame, Initiator], None]

_ARENA: Final = 64 << 20
"""Address space for copies."""

# Where in a copy's two pages things are.
_RETURN: Final = PAGE
_TAKEN: Final = PAGE + 8
_SLOT: Final = PAGE + 64  # no operand needs to be aligned to more

_HLT: Final = b"\xf4"


class Copy:
    """A copy of an instruction, and the execution it is taken for.

    Attributes:
        instruction: the original.
        ip: where the original stands.
        address: where its operand is.
        start, end: the addresses of the copy and of what comes after it.
    """

    def __init__(self, instruction: Instruction, start: int) -> None:
        self.instruction = instruction
        self.ip = self.address = 0
        self.start = start
        self._stores: list[MemoryTouch] = []
        self._slot = start + _SLOT
        self._return = c_uint64.from_address(start + _RETURN)
        self._taken = c_uint64.from_address(start + _TAKEN)
        libc.protect(start, 2 * PAGE, libc.PROT_READ | libc.PROT_WRITE)
        code = redirect(instruction, start, self._slot)
        self.end = start + len(code)
        code += _HLT if operand_of(instruction).direction & WRITE else _way_out(len(code))
        memmove(start, code, len(code))
        libc.protect(start, PAGE, libc.PROT_READ | libc.PROT_EXEC)

    @property
    def taken(self) -> bool:
        """Return whether some thread is using the copy."""
        return bool(self._taken.value)

    def take(self, ip: int) -> None:
        """Use the copy for the instruction at `ip`."""
        self._taken.value = 1
        self.ip = ip
        self._return.value = ip + self.instruction.length

    def skip(self, frame: Frame) -> None:
        """Continue after the original instruction."""
        frame.regs[RIP] = self.ip + self.instruction.length

    def release(self) -> None:
        """Mark the copy as free."""
        self._taken.value = 0

    def load(self, address: int, touches: list[MemoryTouch], bus: Initiator) -> None:
        """Read what the instruction reads into the slot, which stands for `address`."""
        self.address = address
        self._stores = [touch for touch in touches if touch.direction & WRITE]
        for _, at, width in (touch for touch in touches if touch.direction & READ):
            memmove(self._slot + at - address, bus.read(at, width).to_bytes(width, "little"), width)

    def store(self, bus: Initiator) -> None:
        """Write what the instruction has stored in the slot."""
        for _, at, width in self._stores:
            bus.write(at, width, int.from_bytes(string_at(self._slot + at - self.address, width), "little"))


_lock: Final = RLock()  # reentrant: a signal handler of the program may get in between
_copies: Final[dict[bytes, list[Copy]]] = {}
_by_number: Final[list[Copy]] = []


def completion(error: UnsupportedInstruction) -> Run:
    """Return what to do about an instruction the emulator does not do: complete it natively or raise `error`."""
    instruction = error.instruction
    if not can_complete(instruction):

        def refuse(frame: Frame, bus: Initiator) -> None:
            raise UnsupportedInstruction(instruction, error.reason)

        return refuse
    operand = operand_of(instruction)

    def complete(frame: Frame, bus: Initiator) -> None:
        address = effective_address(instruction, operand, frame)
        touches = [touch for touch in accesses(instruction, frame) if isinstance(touch, MemoryTouch)]
        copy = _taken(instruction, frame.regs[RIP])
        try:
            with marked(bus, NATIVE):
                copy.load(address, touches, bus)
        except BaseException:
            copy.release()
            raise
        frame.regs[RIP] = copy.start

    return complete


def copy_around(ip: int) -> Copy:
    """Return the copy an address lies in."""
    return _by_number[(ip - trampoline().words[COPIES_START]) // (2 * PAGE)]


def finish(copy: Copy, frame: Frame, bus: Initiator) -> None:
    """Hand on what a copy has stored, and go on after the original."""
    bus.ip = copy.ip
    bus.instruction = copy.instruction
    with marked(bus, NATIVE):
        copy.store(bus)
    copy.skip(frame)


def _taken(instruction: Instruction, ip: int) -> Copy:
    """Return a copy taken for the instruction at `ip`."""
    with _lock:
        copies = _copies.setdefault(instruction.code, [])
        copy = next((copy for copy in copies if not copy.taken), None)
        if copy is None:
            copy = Copy(instruction, _arena() + 2 * PAGE * len(_by_number))
            copies.append(copy)
            _by_number.append(copy)
        copy.take(ip)
        return copy


def _arena() -> int:
    """Return where the address space for copies starts, reserving it when that is first needed.

    Raises:
        MemoryError: it is full.
    """
    words = trampoline().words
    if not words[COPIES_START]:
        words[COPIES_START] = libc.map_pages(_ARENA)
        words[COPIES_START + 1] = _ARENA
    if len(_by_number) * 2 * PAGE >= _ARENA:
        raise MemoryError(f"there is room for {len(_by_number)} natively completed instructions, and all are in use")
    return int(words[COPIES_START])


def _way_out(position: int) -> bytes:
    """Return the end of a copy that only loads, `position` bytes from its start: say that it is free, and jump."""
    clear = b"\x48\xc7\x05" + (_TAKEN - position - 11).to_bytes(4, "little") + bytes(4)  # mov qword [rip+…],0
    jump = b"\xff\x25" + (_RETURN - position - 11 - 6).to_bytes(4, "little")  # jmp qword [rip+…]
    return clear + jump
