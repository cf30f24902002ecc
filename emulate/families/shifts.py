"""SHL SHR SAR ROL ROR RCL RCR SHLD SHRD and the flagless RORX SARX SHLX SHRX, as pure functions.

The count is masked to 5 bits, 6 for 64-bit operands; a masked count of zero changes no flag (SDM vol. 2B,
SAL/SAR/SHL/SHR). It is still a read-modify-write: memory is read and written back, a 32-bit register is zero-extended,
as the CPU does. What the manual leaves undefined is here as Intel's CPUs have it: OF is that of the first single step
whatever the count (a rotate of a register by an immediate leaves OF, which is not copied), the shifts clear AF.
"""

from emulate.flags import CF, OF, STATUS, shift_count, status
from emulate.recipes import assignment, binary, ternary


def _top(value: int, width: int) -> int:
    """Return the sign bit of a value as 0 or 1; bits above the width are ignored."""
    return value >> 8 * width - 1 & 1


def _shifted(result: int, carry: int, overflow: int, flags: int, width: int) -> tuple[int, int]:
    """Return a shift's result with CF and OF, both given as 0 or 1, and SF, ZF and PF of the result."""
    return result, flags & ~STATUS | carry | overflow << 11 | status(result, width)


def _rotated(result: int, carry: int, overflow: int, flags: int) -> tuple[int, int]:
    """Return a rotate's result with CF and OF, both given as 0 or 1: rotates change no other flag."""
    return result, flags & ~(CF | OF) | carry | overflow << 11


@binary("shl", "sal")
def shl(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a << count; CF is the last bit shifted out."""
    if not (count := shift_count(count, width)):
        return a, flags
    wide = a << count
    result = wide & (1 << 8 * width) - 1
    return _shifted(result, wide >> 8 * width & 1, _top(a ^ a << 1, width), flags, width)


@binary("shr")
def shr(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a >> count, zeros coming in; OF is the old sign bit."""
    if not (count := shift_count(count, width)):
        return a, flags
    last = a >> count - 1
    return _shifted(last >> 1, last & 1, _top(a, width), flags, width)


@binary("sar")
def sar(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a >> count, copies of the sign coming in."""
    if not (count := shift_count(count, width)):
        return a, flags
    last = _signed(a, width) >> count - 1
    return _shifted(last >> 1 & (1 << 8 * width) - 1, last & 1, 0, flags, width)


def _signed(a: int, width: int) -> int:
    """Return the signed value of an unsigned one."""
    return a - (_top(a, width) << 8 * width)


@binary("rol")
def rol(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a rotated left; CF is the bit that went round last, now the lowest."""
    if not (count := shift_count(count, width)):
        return a, flags
    result = _rotate_right(a, -count, 8 * width)
    return _rotated(result, result & 1, _top(a ^ a << 1, width), flags)


@binary("ror")
def ror(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a rotated right; CF is the bit that went round last, now the highest."""
    if not (count := shift_count(count, width)):
        return a, flags
    result = _rotate_right(a, count, 8 * width)
    return _rotated(result, _top(result, width), _top(a, width) ^ a & 1, flags)


def _rotate_right(value: int, count: int, bits: int) -> int:
    """Return a value of so many bits rotated right, left for a negative count."""
    count %= bits
    return (value >> count | value << bits - count) & (1 << bits) - 1


@binary("rcl")
def rcl(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a rotated left through CF, which is one more bit above it."""
    if not (count := shift_count(count, width) % (8 * width + 1)):
        return a, flags
    ring = _rotate_right(a | (flags & CF) << 8 * width, -count, 8 * width + 1)
    return _rotated(ring & (1 << 8 * width) - 1, ring >> 8 * width, _top(a ^ a << 1, width), flags)


@binary("rcr")
def rcr(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a rotated right through CF, which is one more bit above it."""
    if not (count := shift_count(count, width) % (8 * width + 1)):
        return a, flags
    ring = _rotate_right(a | (flags & CF) << 8 * width, count, 8 * width + 1)
    return _rotated(ring & (1 << 8 * width) - 1, ring >> 8 * width, _top(a, width) ^ flags & CF, flags)


@ternary("shld")
def shld(a: int, b: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a << count, the upper bits of b coming in."""
    if not (count := shift_count(count, width)):
        return a, flags
    bits = 8 * width
    # Counts above 16 of a 16-bit operand are undefined; Intel's CPUs continue with a once more, as if it were a:b:a.
    wide = (a << 2 * bits | b << bits | a) << count
    result = wide >> 2 * bits & (1 << bits) - 1
    return _shifted(result, wide >> 3 * bits & 1, _top(a ^ a << 1, width), flags, width)


@ternary("shrd")
def shrd(a: int, b: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a >> count, the lower bits of b coming in."""
    if not (count := shift_count(count, width)):
        return a, flags
    bits = 8 * width
    last = (a << 2 * bits | b << bits | a) >> count - 1
    result = last >> 1 & (1 << bits) - 1
    return _shifted(result, last & 1, _top(a, width) ^ b & 1, flags, width)


@assignment("rorx")
def rorx(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a rotated right."""
    return _rotate_right(a, shift_count(count, width), 8 * width), flags


@assignment("shlx")
def shlx(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a << count."""
    return a << shift_count(count, width) & (1 << 8 * width) - 1, flags


@assignment("shrx")
def shrx(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a >> count, zeros coming in."""
    return a >> shift_count(count, width), flags


@assignment("sarx")
def sarx(a: int, count: int, flags: int, width: int) -> tuple[int, int]:
    """Return a >> count, copies of the sign coming in."""
    return _signed(a, width) >> shift_count(count, width) & (1 << 8 * width) - 1, flags
