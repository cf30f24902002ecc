"""Conversions between the x87 register format and the formats in memory, as pure functions.

A register holds sign, 15 bits of exponent (bias 16383) and 64 bits of significand with its integer bit, in that order
(SDM vol. 1, 4.2.2 and 8.2). Converting to a register is always exact. Converting from one rounds as the control word
says and reports what happened in bits of the status word.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from emulate.families.x87_state import C1
from emulate.softfloat import CHOP, DE, FORMATS, IE, OE, PE, UE, Format, fit, round_integer

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
_ROUNDING: Final = 10  # where in the control word the rounding control is


def widen(value: int, width: int) -> tuple[int, int]:
    """Return a single, double or double extended as a register; a signaling NaN of the shorter ones becomes quiet."""
    if width == 10:
        return value, 0
    format = FORMATS[width]
    sign = _SIGN if value & format.sign else 0
    exponent = value >> format.fraction & format.special
    significand = (value & (1 << format.fraction) - 1) << 63 - format.fraction
    flags = 0
    if exponent == format.special:
        exponent = _SPECIAL
        if significand and not significand & _QUIET_BIT:
            significand |= _QUIET_BIT
            flags = IE
        significand |= _INTEGER_BIT
    elif exponent:
        exponent += _BIAS - format.bias
        significand |= _INTEGER_BIT
    elif significand:
        shift = 64 - significand.bit_length()
        exponent = _BIAS - format.bias + 1 - shift
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
    format = FORMATS[width]
    sign = format.sign if register & _SIGN else 0
    if _is_unsupported(register):
        return format.default, IE
    if register >> 64 & _SPECIAL != _SPECIAL:
        magnitude, flags = _narrow_number(register, format, control)
        return sign | magnitude, flags
    payload = register & _INTEGER_BIT - 1
    flags = IE if payload and not payload & _QUIET_BIT else 0
    fraction = (payload | _QUIET_BIT) >> 63 - format.fraction if payload else 0
    return sign | format.infinity | fraction, flags


def _narrow_number(register: int, format: Format, control: int) -> tuple[int, int]:
    """Return the magnitude of a finite register in a shorter format; overflow and underflow are as masked."""
    negative = bool(register & _SIGN)
    magnitude, flags, grew = fit(*_significand(register), negative, format, control >> _ROUNDING & 3)
    unmasked = flags & ~control & (OE | UE)
    if unmasked:
        return 0, unmasked
    return magnitude, (flags if flags & PE else 0) | (C1 if grew else 0)


def to_integer(register: int, width: int, control: int) -> tuple[int, int]:
    """Return a register as a signed integer, rounded."""
    value, flags = _integral(register, control)
    if value is None or not -1 << 8 * width - 1 <= value < 1 << 8 * width - 1:
        return 1 << 8 * width - 1, IE
    return value & (1 << 8 * width) - 1, flags


def to_integer_chopped(register: int, width: int, control: int) -> tuple[int, int]:
    """Return a register as a signed integer, rounded towards zero whatever the control word says."""
    return to_integer(register, width, control | CHOP << _ROUNDING)


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
    magnitude, change = round_integer(*_significand(register), negative, control >> _ROUNDING & 3)
    return -magnitude if negative else magnitude, (PE if change else 0) | (C1 if change > 0 else 0)


def _is_unsupported(register: int) -> bool:
    """Return whether a register holds a pattern that stands for nothing: an exponent without an integer bit."""
    return bool(register >> 64 & _SPECIAL) and not register & _INTEGER_BIT


def _significand(register: int) -> tuple[int, int]:
    """Return the significand of a finite register and the exponent of its last bit."""
    return register & 2 * _INTEGER_BIT - 1, max(register >> 64 & _SPECIAL, 1) - _BIAS - 63
