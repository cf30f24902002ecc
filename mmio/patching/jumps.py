"""Find jumps that fit into an instruction, whatever follows it.

A jump takes five bytes: E9 and a displacement of four. An instruction of fewer bytes is overwritten all the same, but
for the bytes behind it, which are the next instruction's: the jump has them as the upper bytes of its displacement. So
where it leads is not free: the fewer bytes the instruction has, the fewer places there are. Prefixes that mean nothing
to a jump shift the bytes behind and give other places. (The technique is called punning; see Duck, Gao, Roychoudhury,
"Binary Rewriting without Control Flow Recovery", PLDI 2020.)

An instruction of one byte leaves no byte of the displacement free, and so one place. Where that is taken, the jump may
stand over the instructions that follow as well, which become HLT: they are executed elsewhere (`followers.py`), and a
thread that jumps to one of them faults.
"""

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

JUMP: Final = 5
"""Bytes of a jump without prefixes."""
HLT: Final = 0xF4
"""An instruction of one byte that user code may not execute, whatever IO ports it has been granted."""

_OPCODE: Final = b"\xe9"
_PREFIX: Final = b"\x2e"  # CS: ignored (SDM vol. 2A, 2.1.1: of a conditional jump it is a hint that no CPU takes)


@frozen
class Places:
    """Addresses that a jump from one instruction may lead to.

    Attributes:
        low: the lowest address.
        count: how many there are, one behind the other.
        origin: the address behind the jump, which its displacement is counted from.
        prefixes: how many stand before the jump's opcode.
        own: bytes that may be written: those of the instruction, and of the next ones where the jump stands over them.
    """

    low: int
    count: int
    origin: int
    prefixes: int
    own: int

    @property
    def used(self) -> int:
        """Bytes from the instruction's start on that the jump consists of; some may be behind the instruction."""
        return self.prefixes + JUMP

    def jump(self, target: int) -> bytes:
        """Return the bytes to be written for a jump to a target, one of the places."""
        displacement = (target - self.origin).to_bytes(4, "little", signed=True)
        return (_PREFIX * self.prefixes + _OPCODE + displacement)[: self.own]


def places(site: int, length: int, behind: bytes) -> Iterator[Places]:
    """Yield where jumps from an instruction may lead, the most places first.

    Args:
        site: the address of the instruction.
        length: of the instruction, in bytes.
        behind: bytes that follow it; four are enough.
    """
    for prefixes in range(length):
        free = min(length - prefixes - len(_OPCODE), 4)
        fixed = behind[: 4 - free]
        if free < 0 or len(fixed) < 4 - free:
            continue
        origin = site + prefixes + JUMP
        upper = int.from_bytes(bytes(free) + fixed, "little", signed=bool(fixed))
        low = origin + upper if fixed else origin - (1 << 31)
        yield Places(low, 1 << 8 * free, origin, prefixes, length)
        if free == 4:
            return


def places_over_followers(site: int, length: int) -> Places:
    """Return where a jump may lead that stands over the next instructions: each byte of theirs is HLT.

    Args:
        site: the address of the instruction.
        length: of it, in bytes, fewer than a jump has.
    """
    return evolve(next(places(site, length, bytes([HLT] * 4))), own=JUMP)
