"""Reasons why bytes are not an instruction.

iced-x86 says "invalid" of an instruction longer than 15 bytes and of an undefined opcode alike, and asks for more bytes
of some opcodes that no byte can help. The CPU raises different exceptions for them.
"""

from typing import Final

from iced_x86 import Decoder, DecoderError, DecoderOptions

from decode.errors import DecodeError, InstructionTooLong, InvalidInstruction, TruncatedInstruction

MAX_LENGTH: Final = 15
"""Longest instruction in bytes (SDM vol. 2A, 2.3.11)."""

_OVERRIDES: Final = frozenset(b"\x26\x2e\x36\x3e\x64\x65")  # of segments: no instruction needs one
_PREFIXES: Final = _OVERRIDES | frozenset(b"\x66\x67\xf0\xf2\xf3")
# One-byte opcodes without operands that do not exist in 64-bit mode (SDM vol. 2D, table A-2, "i64"), and D6.
_NONE_IN_64: Final = frozenset(b"\x06\x07\x0e\x16\x17\x1e\x1f\x27\x2f\x37\x3f\x60\x61\xce\xd6")


def refusal(decoder: Decoder, window: bytes, bits: int) -> DecodeError:
    """Return the error to raise for bytes that a decoder has refused.

    Args:
        decoder: which has decoded once.
        window: what it was given, at most 15 bytes.
        bits: the mode.
    """
    start = _prefixes(window, bits)
    if decoder.last_error == DecoderError.NO_MORE_BYTES:
        if bits != 64 or start == len(window) or window[start] not in _NONE_IN_64:
            return TruncatedInstruction("more bytes are needed to end this instruction", window, bits)
    elif len(window) == MAX_LENGTH and _is_too_long(window, start, bits):
        return InstructionTooLong(f"an instruction has {MAX_LENGTH} bytes at most", window, bits)
    return InvalidInstruction("no instruction has this encoding", window, bits)


def _prefixes(window: bytes, bits: int) -> int:
    """Return how many prefixes there are, REX prefixes among them."""
    for index, byte in enumerate(window):
        if byte not in _PREFIXES and (bits != 64 or byte & 0xF0 != 0x40):
            return index
    return len(window)


def _is_too_long(window: bytes, start: int, bits: int) -> bool:
    """Return whether invalid bytes would continue after the fifteenth, told by leaving out prefixes that say nothing.

    Those are all of one kind but the last, segment overrides, and REX prefixes that do not come last.
    """
    prefixes, rest = window[:start], window[start:]
    kept = bytes(
        byte
        for index, byte in enumerate(prefixes)
        if (byte in _PREFIXES - _OVERRIDES and byte not in prefixes[index + 1 :])
        or (byte not in _PREFIXES and index == start - 1)
    )
    if len(kept) < start:
        shorter = Decoder(bits, kept + rest)
        shorter.decode()
        return bool(shorter.last_error == DecoderError.NO_MORE_BYTES)
    lenient = Decoder(bits, window, DecoderOptions.NO_INVALID_CHECK)  # LOCK where it is not allowed does not matter
    lenient.decode()
    return bool(lenient.last_error != DecoderError.NONE)
