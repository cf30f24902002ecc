"""Move a thread that a signal interrupted in or behind a stub to the original instruction or the next one.

So a handler of the program's sees an instruction pointer of the program's. Until the access has been made, the
registers are put back to what they were at the instruction, which is then executed from its beginning; afterwards they
are put to what they are behind it. A plain load whose device has been called directly may still have to take its value
from the stack: it is emulated. Offsets in a stub are those of `mmio/patching/stub.py`.
"""

from collections.abc import Iterator
from ctypes import c_uint64, string_at
from typing import Any, Final, NamedTuple

from decode import decode
from decode.refusal import MAX_LENGTH
from emulate import Emulator, Ram
from mmio.hosted.trampoline import Crossing
from mmio.live.signal_frame import RAX, RFLAGS, RIP, RSP, SLOTS, Frame
from mmio.live.vendor import cpu_vendor
from mmio.patching import stub

_RED_ZONE: Final = 0x80
_FLAGS: Final = _RED_ZONE + 8
_BOTH: Final = _FLAGS + 8  # RAX is pushed, too
_CALL: Final = 0x22  # where in a stub
_RETURN: Final = 0x28
_MISS: Final = stub.COPY - 10
_WAYS: Final = {
    0: (0, False),
    5: (_RED_ZONE, False),
    6: (_FLAGS, False),
    **dict.fromkeys(range(7, _CALL + 1), (_BOTH, False)),
    _RETURN: (_FLAGS, True),
    _RETURN + 1: (_RED_ZONE, True),
    _RETURN + 9: (0, True),
    _MISS: (_BOTH, False),
    _MISS + 1: (_FLAGS, False),
    _MISS + 2: (_RED_ZONE, False),
    stub.COPY: (0, False),
}
"""By the offset in a stub where a thread is: bytes on its stack, and whether the access has been made.

In what follows it has, up to the part where a plain load or store is executed on a copy of its operand.
"""
_PLAIN: Final = _RETURN + stub.BEHIND
_POPFQ: Final = _PLAIN + 4  # in a load: the flags are pushed by then, and popped before the instruction
_LOAD: Final = _PLAIN + 5

_SAVED: Final = tuple(SLOTS[number] for number in (11, 10, 7, 6, 2, 1, 3))  # r11 r10 rdi rsi rdx rcx rbx
_OF_RAX: Final = 8 * (len(_SAVED) + 1)  # how far below the return address it is; the others are between
_WHOLE: Final = 0x70  # how much the entry has on the stack at most
_STORING: Final = 0x48  # where the entry has a plain store put its value
_OF_STORES: Final = (*(0,) * 8, _STORING, _STORING, _STORING + 8, _STORING + 8, _STORING + 16, _STORING + 8)
# how much is on the stack at each instruction of `from a store`


class _Way(NamedTuple):
    """State of the program's stack at an instruction of the entry or the exit.

    Attributes:
        below: how far the stack pointer is below the stub's return address.
        loaded: the registers to be loaded, and how far below that address they are.
        done: the access has been made.
        value: it is a load that still has to take its value, which is where RAX was.
    """

    below: int
    loaded: tuple[tuple[int, int], ...] = ()
    done: bool = False
    value: bool = False


_KEPT: Final = tuple((register, _OF_RAX - 8 * place) for place, register in enumerate(_SAVED, 1))


class _Answer:
    """A bus that answers with one value."""

    def __init__(self, value: int) -> None:
        self._value = value

    def read(self, _address: int, width: int) -> int:
        """Return as many bytes of the value."""
        return self._value & (1 << 8 * width) - 1

    port_read = read


class Rewinding:
    """The places where a thread may be on its way.

    Args:
        crossing: the machine code.
    """

    def __init__(self, crossing: Crossing) -> None:
        self._crossing = crossing
        self._ways: dict[int, _Way] = {}
        self._emulator = Emulator(Ram(0), slots=SLOTS, bus_checks_answers=True, vendor=cpu_vendor())  # to compile with

    def rewind(self, frame: Frame, slot: int | None) -> None:
        """Set the registers of a thread to what they are at the patched instruction, or behind it.

        Does nothing where the thread is neither in a stub nor on its way.

        Args:
            frame: the registers.
            slot: the stub that the thread is in; None when it is in none.
        """
        regs = frame.regs
        if slot is not None:
            self._out_of_stub(frame, regs, slot)
            return
        if not self._ways:
            self._ways.update(self._found())
        way = self._ways.get(regs[RIP])
        if way is not None:
            self._back(frame, regs, way)

    def _back(self, frame: Frame, regs: Any, way: _Way) -> None:
        back = regs[RSP] + way.below
        for register, below in way.loaded:
            regs[register] = _word(back - below)
        if not way.done:
            regs[RAX] = _word(back + 8)
        regs[RFLAGS], regs[RSP] = _word(back + 16), back + 8 + _BOTH
        slot = _word(back) & -stub.SLOT
        if way.value:
            self._load(frame, slot, _value(slot, back + 8))
        else:
            regs[RIP] = _word_of(slot, stub.NEXT if way.done else stub.SITE)

    def _load(self, frame: Frame, slot: int, value: int) -> None:
        """Execute the instruction of a stub with the value that has been loaded."""
        frame.regs[RIP] = _word_of(slot, stub.SITE)
        self._emulator.compile(64, string_at(slot + stub.COPY, MAX_LENGTH)).run(frame, _Answer(value))

    def _out_of_stub(self, frame: Frame, regs: Any, slot: int) -> None:
        offset = regs[RIP] - slot
        if _PLAIN <= offset < _MISS:
            self._out_of_plain(frame, regs, slot, offset)
            return
        pushed, done = _WAYS.get(offset, (0, True))
        stack = regs[RSP]
        if pushed == _BOTH:
            regs[RAX], regs[RFLAGS] = _word(stack), _word(stack + 8)
        elif pushed == _FLAGS:
            regs[RFLAGS] = _word(stack)
        regs[RSP] = stack + pushed
        regs[RIP] = _word_of(slot, stub.NEXT if done else stub.SITE)
        if offset > stub.COPY:  # the instructions that the jump stands over have copies there
            regs[RIP] = _word_of(slot, stub.SITE) + offset - stub.COPY

    def _out_of_plain(self, frame: Frame, regs: Any, slot: int, offset: int) -> None:
        """Take a thread out of where an instruction is executed on a copy of its operand."""
        if _word_of(slot, stub.FUNCTION) == self._crossing.labels["from a store"]:
            self._back(frame, regs, _Way(_STORING))
            return
        place = regs[RSP] + 8 * (offset == _POPFQ)  # of the value
        if offset <= _LOAD:
            regs[RFLAGS], regs[RSP] = _word(place + 8), place + _BOTH
            self._load(frame, slot, _value(slot, place))
            return
        if offset == _LOAD + decode(string_at(slot + _LOAD, MAX_LENGTH), 64).length:
            regs[RSP] = place + _BOTH
        regs[RIP] = _word_of(slot, stub.NEXT)

    def _found(self) -> Iterator[tuple[int, _Way]]:
        """Yield the ways by the addresses of instructions."""
        labels = self._crossing.labels
        pushes = len(_SAVED) + 1
        for index, address in enumerate(_instructions(labels["from a stub"], labels["block"])):
            pushed = max(index - 1, 0)
            yield address, _Way(8 * pushed) if pushed <= pushes else _Way(_WHOLE, _KEPT)
        rax = RAX, _OF_RAX
        for label, behind, value in ("unblocked", "unsaved", False), ("loaded", "not direct", True):
            for index, address in enumerate(_instructions(labels[label], labels[behind] - 1)):
                popped = max(index - 1, 0)
                below = 8 * (pushes - popped) if index else _WHOLE
                yield address, _Way(below, (rax, *_KEPT)[popped:], done=True, value=value)
        for index, address in enumerate(_instructions(labels["unsaved"], labels["from a store"] - 1)):
            popped = min(max(index - 1, 0), len(_KEPT))
            yield address, _Way(8 * (len(_KEPT) - popped) if index else _WHOLE, _KEPT[popped:])
        for address, below in zip(_instructions(labels["from a store"], labels["stored"] - 1), _OF_STORES, strict=True):
            yield address, _Way(below)
        *storing, last = _instructions(labels["stored"], labels["direct"] - 1)
        yield from ((address, _Way(_STORING)) for address in storing)
        yield last, _Way(_WHOLE)


def _instructions(first: int, last: int) -> Iterator[int]:
    """Yield the addresses of instructions from one to the last that begins at or before another address."""
    while first <= last:
        yield first
        first += decode(string_at(first, MAX_LENGTH), 64).length


def _value(slot: int, place: int) -> int:
    """Return the value that a load still has to take: where RAX was, or far below when it is a wide one."""
    if not _word_of(slot, stub.LOWER):
        return _word(place)
    return int.from_bytes(string_at(place - stub.LOADED_BELOW, stub.PLACE), "little")


def _word(address: int) -> int:
    return int(c_uint64.from_address(address).value)


def _word_of(slot: int, index: int) -> int:
    """Return one of the words of a stub."""
    return _word(slot + stub.CODE + 8 * index)
