"""Flags of a record: one bit each, plain ints because every access carries them."""

from typing import Final

SPLIT: Final = 1  # one of several records of one access; the whole is wider than this part
UNALIGNED: Final = 2  # split because it was not aligned to its own width
TOO_WIDE: Final = 4  # split because the mapping does not take this width
UNMAPPED: Final = 8  # at least one byte hit nothing and was answered by the `unmapped` policy
ATOMIC: Final = 16  # part of a LOCK or XCHG: read and written in one go
NATIVE: Final = 32  # the instruction was executed natively, out of line
KERNEL: Final = 64  # the kernel moved the data, in a system call that was given a buffer there
MISFIT: Final = 128  # the instruction noted for the access does not make such an access

NAMES: Final = {
    SPLIT: "split",
    UNALIGNED: "unaligned",
    TOO_WIDE: "too wide",
    UNMAPPED: "unmapped",
    ATOMIC: "atomic",
    NATIVE: "native",
    KERNEL: "system call",
    MISFIT: "misfit",
}


def flag_names(flags: int) -> tuple[str, ...]:
    """Name the bits that are set, lowest first."""
    return tuple(name for bit, name in NAMES.items() if flags & bit)
