"""Where the choices come from when a case is made up.

The builder asks a `Chooser` and does not care who answers: hypothesis, which shrinks a failing case to its simplest,
or a plain random generator, which is ten times as fast. Options are always listed from simple to complex, because
that is the way hypothesis shrinks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

from tests.oracle.case import FLAGS

T = TypeVar("T")

_FLAG_BITS = tuple(FLAGS[name] for name in ("CF", "PF", "AF", "ZF", "SF", "OF"))
_SIMPLE_WORDS = (0, 1, 2, 3, 5, 8, 0x11, 0x7F, 0x80, 0xFF)
_MASKS = (2**64 - 1, 0, 1, 0x5555555555555555, 0x8000000000000001, 0xF0F0F0F0F0F0F0F0)


class Chooser(Protocol):
    """Makes choices."""

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, the first being the simplest."""

    def integer(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included; the one nearest to zero is the simplest."""


class RandomChooser:
    """Choices by a random generator."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[int(self._source.random() * len(options))]

    def integer(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        return self._source.randint(low, high)


def word(chooser: Chooser, bits: int = 64) -> int:
    """Return a `bits` wide value; small ones, extremes and powers of two, at every operand size, are frequent."""
    full = (1 << bits) - 1
    kind = chooser.pick(("simple", "all ones", "border", "any"))
    if kind == "simple":
        return chooser.pick(_SIMPLE_WORDS) & full
    if kind == "all ones":
        return full
    if kind == "border":  # 2**n and its neighbours: the extremes of a signed value of any width
        width = chooser.pick(tuple(n for n in (8, 16, 32, 64) if n <= bits) or (bits,))
        shift = chooser.pick((width - 1, chooser.integer(0, width - 1)))
        return (1 << shift) + chooser.integer(-1, 1) & full
    return chooser.integer(0, full)


def real(chooser: Chooser, bits: int) -> int:
    """Return a single or a double: zeros, ones, denormals, extremes, infinities and NaNs of both kinds are frequent."""
    fraction = {32: 23, 64: 52}[bits]
    special = (1 << bits - 1 - fraction) - 1
    middle, half, full = special >> 1, 1 << fraction - 1, (1 << fraction) - 1
    exponent = chooser.pick((middle, middle + chooser.integer(-fraction - 2, 65), 0, 0, 1, special - 1, special))
    exponent = chooser.integer(0, special) if chooser.pick((False, False, False, True)) else exponent
    rest = chooser.pick((0, 1, half, half - 1, full, chooser.integer(0, full)))
    return chooser.pick((0, 1)) << bits - 1 | exponent << fraction | rest


def vector(chooser: Chooser, default: int) -> int:
    """Return a 512-bit value."""
    kind = chooser.pick(("default", "zero", "all ones", "edges", "reals", "reals", "any"))
    if kind == "default":
        return default
    if kind == "zero":
        return 0
    if kind == "all ones":
        return 2**512 - 1
    source = random.Random(chooser.integer(0, 2**32))
    if kind == "any":
        return source.getrandbits(512)
    if kind == "reals":
        bits = source.choice((32, 64))
        return sum(real(RandomChooser(source), bits) << at for at in range(0, 512, bits))
    # Elements of either extreme, so that sign bits, carries and float specials come in every mixture.
    choices = (0, 1, 0x7F, 0x80, 0xFF)
    return int.from_bytes(bytes(source.choices(choices, k=64)), "little")


def mask(chooser: Chooser) -> int:
    """Return the value of an opmask register."""
    return chooser.integer(0, 2**64 - 1) if chooser.pick((False, False, True)) else chooser.pick(_MASKS)


def flags(chooser: Chooser) -> int:
    """Return RFLAGS with any combination of the status flags and, now and then, DF and AC."""
    chosen = chooser.integer(0, 63)
    status = sum(bit for index, bit in enumerate(_FLAG_BITS) if chosen >> index & 1)
    return 0x202 | status | chooser.pick((0, 0, 0, 0, FLAGS["DF"], FLAGS["DF"], FLAGS["AC"]))
