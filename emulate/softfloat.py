"""Single and double precision arithmetic on bit patterns, as SSE performs it.

Every function takes the patterns, the format as data and MXCSR, and returns the result with all masked responses in it,
and the exceptions met, as bits of MXCSR (SDM vol. 1, 4.8, 4.9 and 11.5). Nothing is approximate: a finite number is an
integer times a power of two, operations are done on these exactly (a quotient or a root with one more bit that says
whether anything is left), and what comes out is rounded once. Python's own floats would do for one rounding and no
exceptions only.

Rounding is shared with the x87 registers, whose own formats are in `emulate.families.x87_formats`.
"""

from math import isqrt
from typing import Final, TypeAlias

from attrs import Factory, field, frozen

IE: Final = 1 << 0  # invalid operation
DE: Final = 1 << 1  # denormal operand
ZE: Final = 1 << 2  # division by zero
OE: Final = 1 << 3  # overflow
UE: Final = 1 << 4  # underflow
PE: Final = 1 << 5  # precision: the result was rounded
DAZ: Final = 1 << 6  # MXCSR: denormal operands are zeros
FZ: Final = 1 << 15  # MXCSR: results that underflow become zero
NEAREST, DOWN, UP, CHOP = range(4)  # rounding control

MASKS: Final = 7
"""Where in MXCSR the masks of the exceptions begin."""

ROUNDING: Final = 13
"""Where in MXCSR the rounding control is."""

Result: TypeAlias = tuple[int, int]
"""A bit pattern, and the exceptions met."""


@frozen(slots=True)
class Format:
    """One format: sign, exponent, fraction.

    Attributes:
        width: bytes.
        fraction: bits of the fraction.
        special: the exponent of infinities and NaNs.
        bias: what the exponent is too large by.
        sign: the sign bit.
        infinity: plus infinity.
        quiet: the bit that tells a quiet NaN.
        default: the NaN that stands for the result of an invalid operation.
    """

    width: int
    fraction: int
    special: int = field(init=False, default=Factory(lambda f: (1 << 8 * f.width - 1 - f.fraction) - 1, True))
    bias: int = field(init=False, default=Factory(lambda f: f.special >> 1, True))
    sign: int = field(init=False, default=Factory(lambda f: 1 << 8 * f.width - 1, True))
    infinity: int = field(init=False, default=Factory(lambda f: f.special << f.fraction, True))
    quiet: int = field(init=False, default=Factory(lambda f: 1 << f.fraction - 1, True))
    default: int = field(init=False, default=Factory(lambda f: f.sign | f.infinity | f.quiet, True))

    def is_nan(self, bits: int) -> bool:
        """Return whether a pattern is a NaN, quiet or signaling."""
        return bits & self.sign - 1 > self.infinity

    def is_infinite(self, bits: int) -> bool:
        """Return whether a pattern is either infinity."""
        return bits & self.sign - 1 == self.infinity

    def is_denormal(self, bits: int) -> bool:
        """Return whether a pattern is a number too small for an integer bit, zero not among them."""
        return 0 < bits & self.sign - 1 < 1 << self.fraction

    def number(self, bits: int) -> tuple[int, int]:
        """Return a finite pattern's significand, negative if it is, and the exponent of the significand's last bit."""
        exponent = bits >> self.fraction & self.special
        significand = bits & (1 << self.fraction) - 1 | (1 << self.fraction if exponent else 0)
        return -significand if bits & self.sign else significand, max(exponent, 1) - self.bias - self.fraction


SINGLE: Final = Format(4, 23)
DOUBLE: Final = Format(8, 52)
FORMATS: Final = {4: SINGLE, 8: DOUBLE}
"""By width in bytes."""


def round_integer(significand: int, scale: int, negative: bool, rounding: int) -> tuple[int, int]:
    """Return the magnitude `significand * 2**scale` as an integer, and whether it grew (1), shrank (-1) or neither."""
    if scale >= 0:
        return significand << scale, 0
    kept = significand >> -scale
    rest = significand - (kept << -scale)
    if not rest:
        return kept, 0
    grows = 2 * rest + (kept & 1) > 1 << -scale if rounding == NEAREST else rounding == (DOWN if negative else UP)
    return kept + grows, 1 if grows else -1


def fit(significand: int, scale: int, negative: bool, format: Format, rounding: int) -> tuple[int, int, bool]:
    """Return the magnitude `significand * 2**scale` in a format.

    Returns:
        The pattern without its sign; OE, UE, PE as they apply, UE for every number that is tiny after rounding, exact
        or not; and whether rounding made the magnitude greater.
    """
    if not significand:
        return 0, 0, False
    least = 1 - format.bias  # exponent of the least normal number
    top = significand.bit_length() - 1 + scale  # exponent of the leading bit
    quantum = max(top, least) - format.fraction  # exponent of the last bit of the result
    rounded, change = round_integer(significand, scale - quantum, negative, rounding)
    flags = PE if change else 0
    if top < least:
        # Tiny, unless it rounds up to a normal number when exponents have no bounds (SDM vol. 1, 4.9.1.5).
        unbounded, _ = round_integer(significand, scale - top + format.fraction, negative, rounding)
        if unbounded.bit_length() - 1 + top - format.fraction < least:
            flags |= UE
    if rounded.bit_length() - 1 + quantum > format.bias:
        grows = rounding in (NEAREST, DOWN if negative else UP)
        return format.infinity - (not grows), OE | PE, grows
    # The integer bit adds one to the exponent, or two when it was rounded up to the next power of two.
    return (quantum + format.fraction + format.bias - 1 << format.fraction) + rounded, flags, change > 0


def _pack(significand: int, scale: int, negative: bool, format: Format, mxcsr: int, flags: int = 0) -> Result:
    """Return a finite result, rounded, with its own exceptions added to `flags`."""
    magnitude, more, _ = fit(significand, scale, negative, format, mxcsr >> ROUNDING & 3)
    if more & ~(mxcsr >> MASKS) & (OE | UE):
        # Not to be kept, so it need not fit: the precision exception is that of exponents without bounds.
        _, change = round_integer(significand, format.fraction + 1 - significand.bit_length(), negative, CHOP)
        more = more & (OE | UE) | (PE if change else 0)
    elif more & UE:
        if mxcsr & FZ:
            magnitude, more = 0, UE | PE
        elif not more & PE:
            more = 0
    return (format.sign if negative else 0) | magnitude, flags | more


def _operands(format: Format, mxcsr: int, *operands: int) -> tuple[list[int], int, int | None]:
    """Look at the operands before anything is done with them.

    Returns:
        The operands, with DAZ all denormals made zero; the exceptions they bring; and if any is a NaN, the result:
        the first NaN, quiet (SDM vol. 1, table 4-7).
    """
    denormal = any(map(format.is_denormal, operands))
    values = [bits & format.sign if format.is_denormal(bits) else bits for bits in operands]
    values = values if mxcsr & DAZ else list(operands)
    nans = [bits for bits in operands if format.is_nan(bits)]
    if nans:
        signaling = any(not bits & format.quiet for bits in nans)
        return values, IE if signaling else 0, nans[0] | format.quiet
    return values, DE if denormal and not mxcsr & DAZ else 0, None


def add(a: int, b: int, format: Format, mxcsr: int) -> Result:
    """Return a + b."""
    (a, b), flags, nan = _operands(format, mxcsr, a, b)
    if nan is not None:
        return nan, flags
    if format.is_infinite(a) or format.is_infinite(b):
        if format.is_infinite(a) and format.is_infinite(b) and a != b:
            return format.default, IE
        return a if format.is_infinite(a) else b, flags
    (x, first), (y, second) = format.number(a), format.number(b)
    scale = min(first, second)
    total = (x << first - scale) + (y << second - scale)
    if not total:  # a sign that both have stays, others cancel to plus zero, or minus zero when rounding down
        return a & b & format.sign | ((a ^ b) & format.sign if mxcsr >> ROUNDING & 3 == DOWN else 0), flags
    return _pack(abs(total), scale, total < 0, format, mxcsr, flags)


def subtract(a: int, b: int, format: Format, mxcsr: int) -> Result:
    """Return a - b; a NaN keeps its sign."""
    return add(a, b if format.is_nan(b) else b ^ format.sign, format, mxcsr)


def multiply(a: int, b: int, format: Format, mxcsr: int) -> Result:
    """Return a * b."""
    (a, b), flags, nan = _operands(format, mxcsr, a, b)
    if nan is not None:
        return nan, flags
    sign = (a ^ b) & format.sign
    magnitudes = a & format.sign - 1, b & format.sign - 1
    if format.infinity in magnitudes:
        return (format.default, IE) if 0 in magnitudes else (sign | format.infinity, flags)
    (x, first), (y, second) = format.number(a), format.number(b)
    return _pack(abs(x * y), first + second, bool(sign), format, mxcsr, flags)


def divide(a: int, b: int, format: Format, mxcsr: int) -> Result:
    """Return a / b."""
    (a, b), flags, nan = _operands(format, mxcsr, a, b)
    if nan is not None:
        return nan, flags
    sign = (a ^ b) & format.sign
    dividend, divisor = a & format.sign - 1, b & format.sign - 1
    if dividend == divisor and dividend in (0, format.infinity):
        return format.default, IE
    if dividend == format.infinity:
        return sign | format.infinity, flags
    if divisor == format.infinity:
        return sign, flags
    if not divisor:
        return sign | format.infinity, ZE
    (x, first), (y, second) = format.number(dividend), format.number(divisor)
    more = y.bit_length() + format.fraction + 3  # enough bits of quotient for the rounding to see a half
    quotient, rest = divmod(x << more, y)
    return _pack(quotient << 1 | (rest > 0), first - second - more - 1, bool(sign), format, mxcsr, flags)


def square_root(a: int, format: Format, mxcsr: int) -> Result:
    """Return the root of a; of minus zero it is minus zero."""
    (a,), flags, nan = _operands(format, mxcsr, a)
    if nan is not None:
        return nan, flags
    if not a & format.sign - 1 or a == format.infinity:
        return a, flags
    if a & format.sign:
        return format.default, IE
    significand, scale = format.number(a)
    more = 2 * format.fraction + 6 + scale % 2  # an even scale, and enough bits of root for the rounding to see a half
    root = isqrt(significand << more)
    return _pack(root << 1 | (root * root != significand << more), (scale - more) // 2 - 1, False, format, mxcsr, flags)


def minimum(a: int, b: int, format: Format, mxcsr: int) -> Result:
    """Return the lesser of a and b; b if either is a NaN or both are zero."""
    return _choose(a, b, format, mxcsr, -1)


def maximum(a: int, b: int, format: Format, mxcsr: int) -> Result:
    """Return the greater of a and b; b if either is a NaN or both are zero."""
    return _choose(a, b, format, mxcsr, 1)


def _choose(a: int, b: int, format: Format, mxcsr: int, wanted: int) -> Result:
    """Return a if it compares to b as wanted, else b."""
    order, flags = compare(a, b, format, mxcsr)
    (a, b), _, _ = _operands(format, mxcsr, a, b)
    return a if order == wanted else b, flags


def compare(a: int, b: int, format: Format, mxcsr: int, *, quiet: bool = False) -> tuple[int | None, int]:
    """Return the order of a and b: -1, 0 or 1, None for unordered, which is invalid unless `quiet` NaNs make it so."""
    (a, b), flags, nan = _operands(format, mxcsr, a, b)
    if nan is not None:
        return None, flags if quiet else IE
    first, second = (-(x & format.sign - 1) if x & format.sign else x for x in (a, b))
    return (first > second) - (first < second), flags


def convert(a: int, source: Format, format: Format, mxcsr: int) -> Result:
    """Return a number in another format; a NaN keeps its sign and as much of its fraction as there is room for."""
    (a,), flags, nan = _operands(source, mxcsr, a)
    sign = format.sign if a & source.sign else 0
    if nan is not None:
        fraction = nan & 2 * source.quiet - 1
        shift = format.fraction - source.fraction
        return sign | format.infinity | (fraction << shift if shift > 0 else fraction >> -shift), flags
    if source.is_infinite(a):
        return sign | format.infinity, flags
    significand, scale = source.number(a)
    return _pack(abs(significand), scale, bool(sign), format, mxcsr, flags)


def from_integer(value: int, width: int, format: Format, mxcsr: int) -> Result:
    """Return a signed integer of `width` bytes as a number."""
    value -= value >> 8 * width - 1 << 8 * width
    return _pack(abs(value), 0, value < 0, format, mxcsr) if value else (0, 0)


def to_integer(a: int, format: Format, width: int, mxcsr: int) -> Result:
    """Return a number as a signed integer of `width` bytes, rounded; the least one when it has none."""
    least = 1 << 8 * width - 1
    if a & format.sign - 1 >= format.infinity:
        return least, IE
    if mxcsr & DAZ and format.is_denormal(a):
        return 0, 0
    significand, scale = format.number(a)
    magnitude, change = round_integer(abs(significand), scale, significand < 0, mxcsr >> ROUNDING & 3)
    if magnitude >= least + (significand < 0):
        return least, IE
    return (-magnitude if significand < 0 else magnitude) & 2 * least - 1, PE if change else 0


def to_integer_chopped(a: int, format: Format, width: int, mxcsr: int) -> Result:
    """Return a number as a signed integer of `width` bytes, rounded towards zero whatever MXCSR says."""
    return to_integer(a, format, width, mxcsr | CHOP << ROUNDING)
