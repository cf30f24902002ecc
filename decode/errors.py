"""What can be wrong with instruction bytes.

Two kinds only, because a caller acts differently on them: with more bytes a truncated instruction may become a
good one (a short instruction at the end of the last mapped page is legal), an invalid one never does.
"""


class DecodeError(ValueError):
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
