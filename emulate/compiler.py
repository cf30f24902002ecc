"""From an instruction to a callable, once.

The source a `Builder` wrote is compiled here; this is the only place that does so. It holds nothing but constants and
names the builder made, as in the classes that attrs and dataclasses generate. `Compiled.source` keeps it to be read.

Python's compiler takes several times as long as decoding and building together, and most instructions a program brings
differ from one seen before only in registers, widths and displacements, which are all integer literals in the source.
So each *shape*, the text with its literals taken out, is compiled once, and every further instruction of that shape is
a copy of its code object with other constants.
"""

import re
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, Final

from attrs import frozen

from decode import Instruction
from emulate import families  # noqa: F401  # fills RECIPES
from emulate.builder import Builder, Settings
from emulate.faults import InvalidOpcode, UnsupportedInstruction
from emulate.recipes import RECIPES, Recipe, Run
from emulate.unsupported import reason


@frozen(slots=True)
class Compiled:
    """An instruction ready to run.

    Attributes:
        instruction: what it is.
        run: `run(cpu, bus)` executes it once: all accesses, then all register writes, rip among them. Raises a `Fault`
            or whatever the bus raised, with the registers as they were (finished REP elements excepted).
        source: the Python text of `run`, empty for string instructions, which share one state machine.
    """

    instruction: Instruction
    run: Run
    source: str


def compile_instruction(instruction: Instruction, settings: Settings) -> Compiled:
    """Compile an instruction.

    Raises:
        UnsupportedInstruction: no recipe does this instruction or this form of it.
    """
    recipe = _recipe(instruction)
    if recipe is None:
        raise UnsupportedInstruction(instruction, reason(instruction.mnemonic))
    builder = Builder(instruction, settings)
    run, source = recipe(builder), ""
    if run is None:
        source, namespace = builder.finish()
        run = FunctionType(_code(source), namespace | {"__tracebackhide__": True})  # by pytest: it has no text to show
    if instruction.bits == 16 and instruction.encoding != "legacy":
        run = _in_protected_mode(run)
    return Compiled(instruction, run, source)


def _in_protected_mode(run: Run) -> Run:
    """Refuse VEX and EVEX encodings in real mode (SDM vol. 2A, 2.3.1), which shares its decoding with 16-bit code."""

    def checked(cpu: Any, bus: Any) -> None:
        if not cpu.protected:
            raise InvalidOpcode("VEX and EVEX encodings do not exist in real mode")
        run(cpu, bus)

    return checked


_LITERAL: Final = re.compile(r"\b(?:0x[0-9a-f]+|[0-9]+)\b")
_PLACEHOLDER: Final = 0x5EED_0000_0000_0000  # stands for literal number i as this + i: no small int, equal to no other


def _code(source: str) -> CodeType:
    """Return the code object of `run` in a source."""
    values: list[int] = []

    def lift(literal: re.Match[str]) -> str:
        values.append(int(literal[0], 0))
        return str(_PLACEHOLDER + len(values) - 1)

    shape = _shape(_LITERAL.sub(lift, source))
    places = [c - _PLACEHOLDER if isinstance(c, int) and c >= _PLACEHOLDER else None for c in shape.co_consts]
    if sorted(place for place in places if place is not None) != list(range(len(values))):
        return _function(source)  # Python folded two literals into one, or some stand in a lambda
    return shape.replace(
        co_consts=tuple(c if place is None else values[place] for c, place in zip(shape.co_consts, places, strict=True))
    )


@lru_cache(maxsize=4096)
def _shape(source: str) -> CodeType:
    """Compile a source whose literals are placeholders."""
    return _function(source)


def _function(source: str) -> CodeType:
    """Compile a source and return the code object of the one function in it."""
    module = compile(source, "<pagetrap instruction>", "exec")
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def is_supported(instruction: Instruction) -> bool:
    """Return whether the emulator does this instruction."""
    recipe = _recipe(instruction)
    if recipe is None:
        return False
    try:
        recipe(Builder(instruction, Settings()))
    except UnsupportedInstruction:
        return False
    return True


def _recipe(instruction: Instruction) -> Recipe | None:
    """Return what writes an instruction, None when nothing does."""
    return RECIPES.get(instruction.string or instruction.mnemonic)
