"""Determine the instruction that makes an access of the guest, if it is known."""

from typing import Final, Protocol

from decode import Direction, Instruction


class Instructions(Protocol):
    """Knows which instruction of the guest is running while its access is being answered."""

    def current(self) -> tuple[int, int, Instruction | None]:
        """Return the virtual CPU's number, the instruction pointer and the instruction; 0 and None if unknown."""


class _Unknown:
    """Knows nothing, as under KVM, or of a machine that pagetrap has not started."""

    def current(self) -> tuple[int, int, Instruction | None]:
        return 0, 0, None


UNKNOWN: Final = _Unknown()


def makes(instruction: Instruction, direction: Direction, width: int) -> bool:
    """Return whether an instruction makes accesses of a direction and a width in bytes."""
    for access in instruction.accesses:
        if access.direction & direction and width in (access.width, getattr(access, "element", access.width)):
            return True
    return False
