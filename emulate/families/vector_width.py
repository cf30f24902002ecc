"""Extending and truncating moves: the same integers in wider or narrower elements."""

from typing import Final

from emulate import masking
from emulate.builder import Builder
from emulate.recipes import recipe

_WIDTHS: Final = {"b": 1, "w": 2, "d": 4, "q": 8}
_WIDENING: Final = ("bw", "bd", "bq", "wd", "wq", "dq")


@recipe(*(f"{v}pmov{kind}x{widths}" for v in ("", "v") for kind in "sz" for widths in _WIDENING))
def extending_move(b: Builder) -> None:
    """Sign- or zero-extend as many elements as the destination has room for."""
    destination, source = b.instruction.operands
    name = b.instruction.mnemonic
    narrow, wide = _WIDTHS[name[-2]], _WIDTHS[name[-1]]
    count = destination.width // wide
    value = masking.read(b, source, count * narrow)
    masking.write(b, destination, b.call(extend, value, narrow, wide, count, name[-3:-2] == "x" and "sx" in name), wide)


@recipe(*(f"vpmov{kind}{widths[::-1]}" for kind in ("", "s", "us") for widths in _WIDENING))
def truncating_move(b: Builder) -> None:
    """Cut every element, or saturate it as a signed or unsigned number; the rest of the destination is zeroed."""
    destination, source = b.instruction.operands
    name = b.instruction.mnemonic
    wide, narrow = _WIDTHS[name[-2]], _WIDTHS[name[-1]]
    count = source.width // wide
    limits = {"vpmov": (0, 0), "vpmovs": (-1 << 8 * narrow - 1, (1 << 8 * narrow - 1) - 1)}
    low, high = limits.get(name[:-2], (0, (1 << 8 * narrow) - 1))
    value = b.call(truncate, b.read(source), wide, narrow, count, low, high)
    masking.write(b, destination, value, narrow, count=count)


def extend(value: int, narrow: int, wide: int, count: int, signed: bool) -> int:
    """Return `count` elements of `narrow` bytes as elements of `wide` bytes."""
    mask = (1 << 8 * narrow) - 1
    sign = 1 << 8 * narrow - 1 if signed else 0
    whole = (1 << 8 * wide) - 1
    result = 0
    for i in range(count):
        element = value >> 8 * narrow * i & mask
        result |= ((element ^ sign) - sign & whole) << 8 * wide * i
    return result


def truncate(value: int, wide: int, narrow: int, count: int, low: int, high: int) -> int:
    """Return `count` elements of `wide` bytes as elements of `narrow` bytes.

    Args:
        value: the elements.
        wide: bytes of one element before.
        narrow: bytes of one element after.
        count: how many.
        low: least number kept; what lies below becomes it. Below zero, the elements are signed.
        high: greatest number kept; what lies above becomes it. Both zero: cut instead.
    """
    whole, mask = (1 << 8 * wide) - 1, (1 << 8 * narrow) - 1
    sign = 1 << 8 * wide - 1 if low else 0
    result = 0
    for i in range(count):
        element = value >> 8 * wide * i & whole
        if high:
            element = min(max((element ^ sign) - sign, low), high)
        result |= (element & mask) << 8 * narrow * i
    return result
