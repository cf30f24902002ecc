"""Table from mnemonic to recipe, and the generic recipes that most instructions share.

A recipe is a function of a `Builder`. To add an instruction, put a recipe (or, for the usual shapes, a pure function
under one of the drivers below) into the family module it belongs to; nothing else has to change.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

from decode.operands import MemoryOperand
from emulate.builder import Builder

Run: TypeAlias = Callable[[Any, Any], None]
"""A compiled instruction: `run(cpu, bus)`."""

Recipe: TypeAlias = Callable[[Builder], Run | None]
"""Writes an instruction into a builder, or returns a ready-made callable (string instructions)."""

Unary: TypeAlias = Callable[[int, int, int], tuple[int, int]]
"""`(a, flags, width) -> (result, flags)`."""

Binary: TypeAlias = Callable[[int, int, int, int], tuple[int, int]]
"""`(a, b, flags, width) -> (result, flags)`."""

Ternary: TypeAlias = Callable[[int, int, int, int, int], tuple[int, int]]
"""`(a, b, c, flags, width) -> (result, flags)`."""

Operation: TypeAlias = Callable[..., tuple[int, int]]
"""Any of the three; `width` is always that of the destination."""

RECIPES: dict[str, Recipe] = {}
"""By mnemonic; string instructions stand under their operation: "movs"."""

_F = TypeVar("_F", bound=Callable[..., Any])


def recipe(*mnemonics: str) -> Callable[[_F], _F]:
    """Register a recipe under its mnemonics."""

    def register(function: _F) -> _F:
        for mnemonic in mnemonics:
            assert mnemonic not in RECIPES, mnemonic
            RECIPES[mnemonic] = function
        return function

    return register


def _driver(build: Callable[[Builder, Operation], object], mnemonics: tuple[str, ...]) -> Callable[[_F], _F]:
    """Register pure functions under their mnemonics, to be built by `build`."""

    def register(function: _F) -> _F:
        @wraps(function)  # so that the table of coverage names the pure function
        def write(b: Builder) -> None:
            build(b, function)

        recipe(*mnemonics)(write)
        return function

    return register


def unary(*mnemonics: str) -> Callable[[Unary], Unary]:
    """Register a pure function as `destination = f(destination)`, with LOCK and flags."""
    return _driver(modify, mnemonics)


def binary(*mnemonics: str) -> Callable[[Binary], Binary]:
    """Register a pure function as `destination = f(destination, source)`, with LOCK and flags."""
    return _driver(modify, mnemonics)


def ternary(*mnemonics: str) -> Callable[[Ternary], Ternary]:
    """Register a pure function as `destination = f(destination, first source, second source)`, with flags."""
    return _driver(modify, mnemonics)


def assignment(*mnemonics: str) -> Callable[[_F], _F]:
    """Register a pure function of one source or two as `destination = f(*sources)`, with flags.

    The destination's old value plays no part: POPCNT, ANDN, SHLX, IMUL with three operands.
    """
    return _driver(assign, mnemonics)


def comparison(mnemonic: str, function: Binary) -> None:
    """Register a pure function of which only the flags are kept; nothing is written."""
    _driver(compare, (mnemonic,))(function)


def modify(b: Builder, function: Operation) -> str:
    """Build a read-modify-write of the first operand: one read, then one write, then the flags.

    Returns:
        The expression of the old value.
    """
    destination, *others = b.instruction.operands
    sources = [b.read(source) for source in others]

    def result(old: str) -> str:
        return b.call(function, old, *sources, b.flags, destination.width)

    if b.instruction.lock:
        assert isinstance(destination, MemoryOperand)
        # The function is pure, so the flags can be had by applying it to the old value once more.
        old = b.update(destination, lambda old: f"{result(old)}[0]")
    else:
        old = b.read(destination)
    value, flags = _results(b, result(old))
    if not b.instruction.lock:
        b.write(destination, value)
    b.set_flags(flags)
    return old


def assign(b: Builder, function: Operation) -> None:
    """Build a write of the first operand from the others, and the flags."""
    destination, *sources = b.instruction.operands
    value, flags = _results(b, b.call(function, *map(b.read, sources), b.flags, destination.width))
    b.write(destination, value)
    b.set_flags(flags)


def compare(b: Builder, function: Operation) -> None:
    """Build the flags of a function of the first two operands."""
    first, second = b.instruction.operands
    flags = b.local(f"{b.call(function, b.read(first), b.read(second), b.flags, first.width)}[1]", "f")
    b.set_flags(flags)


def _results(b: Builder, call: str) -> tuple[str, str]:
    """Evaluate a pure function among the accesses; return the names of its result and its flags."""
    value, flags = b.name("t"), b.name("f")
    b.act(f"{value}, {flags} = {call}")
    return value, flags
