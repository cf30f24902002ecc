"""Move a thread that a signal interrupted in or behind a stub to the original instruction or the next one.

So a handler of the program's sees an instruction pointer of the program's. Until the access has been made, the
registers are put back to what they were at the instruction, which is then executed from its beginning; afterwards they
are put to what they are behind it. Offsets in a stub are those of `mmio/patching/stub.py`.
"""

from collections.abc import Iterator
from ctypes import c_uint64, string_at
from typing import Any, Final, NamedTuple

from decode import decode
from decode.refusal import MAX_LENGTH
from mmio.hosted.trampoline import Crossing
from mmio.live.signal_frame import RAX, RFLAGS, RIP, RSP, SLOTS
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

Everywhere else it has.
"""

_SAVED: Final = tuple(SLOTS[number] for number in (11, 10, 7, 6, 2, 1, 3))  # r11 r10 rdi rsi rdx rcx rbx
_OF_RAX: Final = 8 * (len(_SAVED) + 1)  # how far below the return address it is; the others are between
_WHOLE: Final = 0x70  # how much the entry has on the stack at most


class _Way(NamedTuple):
    """State of the program's stack at an instruction of the entry or the exit.

    Attributes:
        below: how far the stack pointer is below the stub's return address.
        loaded: the registers to be loaded, and how far below that address they are.
        done: the access has been made.
    """

    below: int
    loaded: tuple[tuple[int, int], ...] = ()
    done: bool = False


_KEPT: Final = tuple((register, _OF_RAX - 8 * place) for place, register in enumerate(_SAVED, 1))


class Rewinding:
    """The places where a thread may be on its way.

    Args:
        crossing: the machine code.
    """

    def __init__(self, crossing: Crossing) -> None:
        self._crossing = crossing
        self._ways: dict[int, _Way] = {}

    def rewind(self, regs: Any, slot: int | None) -> None:
        """Set the registers of a thread to what they are at the patched instruction, or behind it.

        Does nothing where the thread is neither in a stub nor on its way.

        Args:
            regs: the registers.
            slot: the stub that the thread is in; None when it is in none.
        """
        if slot is not None:
            self._out_of_stub(regs, slot)
            return
        if not self._ways:
            self._ways.update(self._found())
        way = self._ways.get(regs[RIP])
        if way is None:
            return
        back = regs[RSP] + way.below
        for register, below in way.loaded:
            regs[register] = _word(back - below)
        if not way.done:
            regs[RAX] = _word(back + 8)
        regs[RFLAGS], regs[RSP] = _word(back + 16), back + 8 + _BOTH
        words = (_word(back) & -stub.SLOT) + stub.CODE
        regs[RIP] = _word(words + 8 * (stub.NEXT if way.done else stub.SITE))

    def _out_of_stub(self, regs: Any, slot: int) -> None:
        offset = regs[RIP] - slot
        pushed, done = _WAYS.get(offset, (0, True))
        stack = regs[RSP]
        if pushed == _BOTH:
            regs[RAX], regs[RFLAGS] = _word(stack), _word(stack + 8)
        elif pushed == _FLAGS:
            regs[RFLAGS] = _word(stack)
        regs[RSP] = stack + pushed
        regs[RIP] = _word(slot + stub.CODE + 8 * (stub.NEXT if done else stub.SITE))
        if offset > stub.COPY:  # the instructions that the jump stands over have copies there
            regs[RIP] = _word(slot + stub.CODE + 8 * stub.SITE) + offset - stub.COPY

    def _found(self) -> Iterator[tuple[int, _Way]]:
        """Yield the ways by the addresses of instructions."""
        labels = self._crossing.labels
        pushes = len(_SAVED) + 1
        for index, address in enumerate(_instructions(labels["from a stub"], labels["block"])):
            pushed = max(index - 1, 0)
            yield address, _Way(8 * pushed) if pushed <= pushes else _Way(_WHOLE, _KEPT)
        rax = RAX, _OF_RAX
        for index, address in enumerate(_instructions(labels["unblocked"], labels["unsaved"] - 1)):
            popped = max(index - 1, 0)
            yield address, _Way(8 * (pushes - popped) if index else _WHOLE, (rax, *_KEPT)[popped:], done=True)
        for index, address in enumerate(_instructions(labels["unsaved"], self._crossing.end - 1)):
            popped = min(max(index - 1, 0), len(_KEPT))
            yield address, _Way(8 * (len(_KEPT) - popped) if index else _WHOLE, _KEPT[popped:])


def _instructions(first: int, last: int) -> Iterator[int]:
    """Yield the addresses of instructions from one to the last that begins at or before another address."""
    while first <= last:
        yield first
        first += decode(string_at(first, MAX_LENGTH), 64).length


def _word(address: int) -> int:
    return int(c_uint64.from_address(address).value)
