"""The base of all errors, and what can be wrong with instruction bytes.

There are two kinds of bad bytes only, because a caller acts differently on them: with more bytes a truncated
instruction may become a good one (a short one at the end of the last mapped page is legal), an invalid one never does.
"""


class PagetrapError(Exception):
    """The base of every error that `decode`, `emulate` and `mmio` raise of their own.

    Arguments of the wrong type or value are Python's TypeError and ValueError, as everywhere; some classes here are a
    ValueError or an OSError, too.
    """


class DecodeError(PagetrapError, ValueError):
    """Bytes that are not one whole instruction.

    Attributes:
        code: the bytes that were looked at, at most 15.
        bits: the mode, 16, 32 or 64.
    """

    def __init__(self, reason: str, code: bytes, bits: int) -> None:
        super().__init__(f"{reason}: {code.hex(' ') or 'no bytes'} ({bits}-bit code)")
        self.reason = reason
        self.code = code
        self.bits = bits


class TruncatedInstruction(DecodeError):
    """The bytes end before the instruction does; with more of them it may become one, or turn out to be invalid."""


class InvalidInstruction(DecodeError):
    """No instruction has this encoding: unknown opcode, LOCK where it is not allowed, more than 15 bytes."""
