"""Numbers between the x87 register format and what lies in memory, as pure functions.

A register holds sign, 15 bits of exponent (bias 16383) and 64 bits of significand with its integer bit, in that order
(SDM vol. 1, 4.2.2 and 8.2). Converting to a register is always exact. Converting from one rounds as the control word
says and reports what happened in bits of the status word.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from emulate.families.x87_state import C1, DE, IE, OE, PE, UE

Load: TypeAlias = Callable[[int, int], tuple[int, int]]
"""From memory: `(value, width in bytes) -> (register, exceptions)`."""

Store: TypeAlias = Callable[[int, int, int], tuple[int, int]]
"""To memory: `(register, width in bytes, control word) -> (value, exceptions and C1)`."""

INDEFINITE: Final = 0xFFFF_C000_0000_0000_0000
"""What stands for the result of an invalid operation: a quiet NaN, and the same bits as packed decimal digits."""

_BCD_LIMIT: Final = 10**18
_SIGN: Final = 1 << 79
_INTEGER_BIT: Final = 1 << 63
_QUIET_BIT: Final = 1 << 62
_SPECIAL: Final = 0x7FFF  # exponent of infinities and NaNs
_BIAS: Final = 16383
_NEAREST, _DOWN, _UP, _CHOP = range(4)  # rounding control
_FRACTIONS: Final = {4: 23, 8: 52}  # bits of the fraction in single and double precision


def widen(value: int, width: int) -> tuple[int, int]:
    """Return a single, double or double extended as a register; a signaling NaN of the shorter ones becomes quiet."""
    if width == 10:
        return value, 0
    fraction_bits = _FRACTIONS[width]
    exponent_bits = 8 * width - 1 - fraction_bits
    special = (1 << exponent_bits) - 1
    sign = value >> 8 * width - 1 << 79
    exponent = value >> fraction_bits & special
    significand = (value & (1 << fraction_bits) - 1) << 63 - fraction_bits
    flags = 0
    if exponent == special:
        exponent = _SPECIAL
        if significand and not significand & _QUIET_BIT:
            significand |= _QUIET_BIT
            flags = IE
        significand |= _INTEGER_BIT
    elif exponent:
        exponent += _BIAS - (special >> 1)
        significand |= _INTEGER_BIT
    elif significand:
        shift = 64 - significand.bit_length()
        exponent = _BIAS - (special >> 1) + 1 - shift
        significand <<= shift
        flags = DE
    return sign | exponent << 64 | significand, flags


def from_integer(value: int, width: int) -> tuple[int, int]:
    """Return a signed integer as a register."""
    value -= value >> 8 * width - 1 << 8 * width
    return _from_magnitude(abs(value), value < 0), 0


def from_bcd(value: int, width: int) -> tuple[int, int]:
    """Return eighteen packed decimal digits and a sign as a register."""
    magnitude = sum((value >> 4 * i & 0xF) * 10**i for i in range(18))
    return _from_magnitude(magnitude, bool(value & _SIGN)), 0


def _from_magnitude(magnitude: int, negative: bool) -> int:
    """Return a number below 2**64 as a register."""
    sign = _SIGN if negative else 0
    length = magnitude.bit_length()
    return sign | (_BIAS + length - 1) << 64 | magnitude << 64 - length if magnitude else sign


def narrow(register: int, width: int, control: int) -> tuple[int, int]:
    """Return a register as a single, double or double extended."""
    if width == 10:
        return register, 0
    fraction_bits = _FRACTIONS[width]
    special = (1 << 8 * width - 1 - fraction_bits) - 1
    sign = register >> 79 << 8 * width - 1
    if _is_unsupported(register):
        value, _ = narrow(INDEFINITE, width, control)
        return value, IE
    if register >> 64 & _SPECIAL != _SPECIAL:
        magnitude, flags = _narrow_number(register, fraction_bits, special, control)
        return sign | magnitude, flags
    payload = register & _INTEGER_BIT - 1
    flags = IE if payload and not payload & _QUIET_BIT else 0
    fraction = (payload | _QUIET_BIT) >> 63 - fraction_bits if payload else 0
    return sign | special << fraction_bits | fraction, flags


def _narrow_number(register: int, fraction_bits: int, special: int, control: int) -> tuple[int, int]:
    """Return the magnitude of a finite register in a format of so many bits; overflow and underflow are as masked."""
    bias = special >> 1
    least = 1 - bias  # exponent of the least normal number
    negative = bool(register & _SIGN)
    significand, scale = register & 2 * _INTEGER_BIT - 1, _scale(register)
    top = significand.bit_length() - 1 + scale  # exponent of the leading bit
    quantum = max(top, least) - fraction_bits  # exponent of the last bit of the result
    rounded, flags = _round(significand, scale - quantum, negative, control)
    if significand and top < least:
        # Tiny, unless it rounds up to a normal number when exponents have no bounds (SDM vol. 1, 4.9.1.5).
        unbounded, _ = _round(significand, scale - top + fraction_bits, negative, control)
        if unbounded.bit_length() - 1 + top - fraction_bits < least:
            if not control & UE:
                return 0, UE
            flags |= UE if flags & PE else 0
    if rounded.bit_length() - 1 + quantum > bias:
        if not control & OE:
            return 0, OE
        grows = control >> 10 & 3 in (_NEAREST, _DOWN if negative else _UP)
        infinity = special << fraction_bits
        return (infinity, OE | PE | C1) if grows else (infinity - 1, OE | PE)
    # The integer bit adds one to the exponent, or two when it was rounded up to the next power of two.
    return (quantum + fraction_bits + bias - 1 << fraction_bits) + rounded, flags


def to_integer(register: int, width: int, control: int) -> tuple[int, int]:
    """Return a register as a signed integer, rounded."""
    value, flags = _integral(register, control)
    if value is None or not -1 << 8 * width - 1 <= value < 1 << 8 * width - 1:
        return 1 << 8 * width - 1, IE
    return value & (1 << 8 * width) - 1, flags


def to_integer_chopped(register: int, width: int, control: int) -> tuple[int, int]:
    """Return a register as a signed integer, rounded towards zero whatever the control word says."""
    return to_integer(register, width, control | _CHOP << 10)


def to_bcd(register: int, width: int, control: int) -> tuple[int, int]:
    """Return a register as eighteen packed decimal digits and a sign, rounded."""
    value, flags = _integral(register, control)
    if value is None or abs(value) >= _BCD_LIMIT:
        return INDEFINITE, IE
    return int(str(abs(value)), 16) | register & _SIGN, flags


def _integral(register: int, control: int) -> tuple[int | None, int]:
    """Return a register rounded to an integer, None when it is not a number."""
    if _is_unsupported(register) or register >> 64 & _SPECIAL == _SPECIAL:
        return None, IE
    negative = bool(register & _SIGN)
    magnitude, flags = _round(register & 2 * _INTEGER_BIT - 1, _scale(register), negative, control)
    return -magnitude if negative else magnitude, flags


def _is_unsupported(register: int) -> bool:
    """Whether a register holds a pattern that stands for nothing: an exponent without an integer bit."""
    return bool(register >> 64 & _SPECIAL) and not register & _INTEGER_BIT


def _scale(register: int) -> int:
    """Return the exponent of the last bit of the significand."""
    return max(register >> 64 & _SPECIAL, 1) - _BIAS - 63


def _round(significand: int, shift: int, negative: bool, control: int) -> tuple[int, int]:
    """Return `significand * 2**shift` rounded to an integer; PE when it was not one, C1 when its magnitude grew."""
    if shift >= 0:
        return significand << shift, 0
    kept = significand >> -shift
    rest = significand - (kept << -shift)
    if not rest:
        return kept, 0
    mode = control >> 10 & 3
    away = _DOWN if negative else _UP
    grows = 2 * rest + (kept & 1) > 1 << -shift if mode == _NEAREST else mode == away
    return kept + grows, PE | (C1 if grows else 0)
