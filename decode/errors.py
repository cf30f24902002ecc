"""Base class of all errors, and errors of the decoder.

There are two kinds of bad bytes, because a caller acts differently on them: with more bytes a truncated instruction may
become a good one (a short one at the end of the last mapped page is legal), an invalid one never does. What the CPU
raises for each is the class attribute `vector`.
"""

from typing import ClassVar


class PagetrapError(Exception):
    """Base class of every error of `decode`, `emulate` and `mmio`.

    Arguments of the wrong type or value are Python's TypeError and ValueError, as everywhere; some classes here are a
    ValueError or an OSError, too.
    """


class DecodeError(PagetrapError, ValueError):
    """The bytes are not one complete instruction.

    Attributes:
        reason: what is wrong with the bytes, without them.
        code: the bytes that were looked at, at most 15.
        bits: the mode, 16, 32 or 64.
        vector: the exception that the CPU raises for them, 6 for #UD or 13 for #GP; None when more bytes decide.
        error_code: what it pushes with it, None for vectors without one.
    """

    vector: ClassVar[int | None] = None
    error_code: ClassVar[int | None] = None

    def __init__(self, reason: str, code: bytes, bits: int) -> None:
        super().__init__(f"{reason}: {code.hex(' ') or 'no bytes'} ({bits}-bit code)")
        self.reason = reason
        self.code = code
        self.bits = bits


class TruncatedInstruction(DecodeError):
    """The bytes end before the instruction does. With more bytes it may be valid or invalid.

    Where they end because their page does, the CPU fetches the next byte from the next page: #PF if that is absent.
    """


class InvalidInstruction(DecodeError):
    """No instruction has this encoding: #UD, or #GP for `InstructionTooLong`.

    #UD is for an unknown opcode, and for a prefix where it is not allowed, such as LOCK, or REX or 66 before VEX.
    """

    vector = 6


class InstructionTooLong(InvalidInstruction):
    """The instruction has more than 15 bytes: #GP(0), before the sixteenth byte is fetched.

    That rule is in SDM vol. 3A, 6.15, interrupt 13. Bytes that are undefined as well may raise #UD instead: the manual
    does not order the two (SDM vol. 3A, table 6-2), and CPUs differ.
    """

    vector = 13
    error_code = 0
