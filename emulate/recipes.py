"""The table from mnemonic to recipe, and the generic drivers most instructions share.

A recipe is a function of a `Builder`. To add an instruction, put a recipe (or, for the usual shapes, a pure function
under one of the drivers below) into the family module it belongs to; nothing else has to change.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from decode.operands import MemoryOperand
from emulate.builder import Builder

Run: TypeAlias = Callable[[Any, Any], None]
"""A compiled instruction: `run(cpu, bus)`."""

Recipe: TypeAlias = Callable[[Builder], Run | None]
"""Writes an instruction into a builder, or returns a ready-made callable (string instructions)."""

Binary: TypeAlias = Callable[[int, int, int, int], tuple[int, int]]
"""`(a, b, flags, width) -> (result, flags)`."""

Unary: TypeAlias = Callable[[int, int, int], tuple[int, int]]
"""`(a, flags, width) -> (result, flags)`."""

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


def binary(mnemonic: str) -> Callable[[Binary], Binary]:
    """Register a pure function as `destination = f(destination, source)`, with LOCK and flags."""

    def register(function: Binary) -> Binary:
        def build(b: Builder) -> None:
            _modify(b, function, b.read(b.instruction.operands[1]))

        recipe(mnemonic)(build)
        return function

    return register


def unary(mnemonic: str) -> Callable[[Unary], Unary]:
    """Register a pure function as `destination = f(destination)`, with LOCK and flags."""

    def register(function: Unary) -> Unary:
        recipe(mnemonic)(lambda b: _modify(b, function))
        return function

    return register


def comparison(mnemonic: str, function: Binary) -> None:
    """Register a pure function of which only the flags are kept; nothing is written."""

    def build(b: Builder) -> None:
        first, second = b.instruction.operands
        flags = b.local(f"{b.call(function, b.read(first), b.read(second), b.flags, first.width)}[1]", "f")
        b.set_flags(flags)

    recipe(mnemonic)(build)


def _modify(b: Builder, function: Callable[..., tuple[int, int]], *sources: str) -> None:
    """Build a read-modify-write of the first operand: one read, then one write, then the flags."""
    destination = b.instruction.operands[0]

    def result(old: str) -> str:
        return b.call(function, old, *sources, b.flags, destination.width)

    if b.instruction.lock:
        assert isinstance(destination, MemoryOperand)
        # The function is pure, so the flags can be had by applying it to the old value once more.
        old = b.update(destination, lambda old: f"{result(old)}[0]")
    else:
        old = b.read(destination)
    value, flags = b.name("t"), b.name("f")
    b.act(f"{value}, {flags} = {result(old)}")
    if not b.instruction.lock:
        b.write(destination, value)
    b.set_flags(flags)
