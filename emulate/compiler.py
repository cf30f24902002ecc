"""From an instruction to a callable, once.

The source a `Builder` wrote is compiled here; this is the only place that does so. It holds nothing but constants and
names the builder made, as in the classes that attrs and dataclasses generate. `Compiled.source` keeps it to be read.

Python's compiler takes several times as long as decoding and building together, and most instructions a program brings
differ from one seen before only in registers, widths and displacements, which are all integer literals in the source.
So each *shape*, the text with a gap for each literal, is compiled once, and the code of every instruction of that
shape is a copy with constants of its own.
"""

import re
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, Final

from attrs import frozen

from decode import Instruction
from decode.cache import Cache
from emulate import families  # noqa: F401  # fills RECIPES
from emulate.answer import COMPILED
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
        settings: what it was compiled for.
    """

    instruction: Instruction
    run: Run
    settings: Settings

    @property
    def source(self) -> str:
        """The Python text of `run`, empty for string instructions, which share one state machine.

        It is written again whenever it is asked for: kept, it would be a fifth of what a compiled instruction takes.
        """
        return _written(self.instruction, self.settings)[1]


def compile_instruction(instruction: Instruction, settings: Settings) -> Compiled:
    """Compile an instruction.

    Raises:
        UnsupportedInstruction: no recipe does this instruction or this form of it.
    """
    run, source, namespace = _written(instruction, settings)
    if run is None:
        run = _function(source, _namespace(namespace, settings))
    if instruction.bits == 16 and instruction.encoding != "legacy":
        run = _in_protected_mode(run)
    return Compiled(instruction, run, settings)


def _written(instruction: Instruction, settings: Settings) -> tuple[Run | None, str, dict[str, Any]]:
    """Return a ready-made function, or a source and the names it uses. Raises UnsupportedInstruction."""
    recipe = _recipe(instruction)
    if recipe is None:
        raise UnsupportedInstruction(instruction, reason(instruction.mnemonic))
    builder = Builder(instruction, settings)
    run = recipe(builder)
    return (None, *builder.finish()) if run is None else (run, "", {})


_namespaces: Final = Cache[tuple[tuple[str, int], ...], dict[str, Any]](256)


def _namespace(names: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the global names of a function: one dict for all functions that use the same objects by the same names."""
    if settings.port_allowed is not None:  # it may own the emulator, and would be kept alive here
        return names | {"__tracebackhide__": True}
    key = tuple((name, id(value)) for name, value in names.items())  # whose values live as long as the dict here
    found = _namespaces.find(key)
    if found is None:
        found = names | {"__tracebackhide__": True}  # by pytest: it has no text to show
        _namespaces.keep(key, found)
    return found


def _in_protected_mode(run: Run) -> Run:
    """Refuse VEX and EVEX encodings in real mode (SDM vol. 2A, 2.3.1), which shares its decoding with 16-bit code."""

    def checked(cpu: Any, bus: Any) -> None:
        if not cpu.protected:
            raise InvalidOpcode("VEX and EVEX encodings do not exist in real mode")
        run(cpu, bus)

    return checked


_LITERAL: Final = re.compile(r"([0-9](?<!\w[0-9])[0-9a-fx]*)")  # begins with a digit, as the search is quickest
_GAP: Final = "\0"  # where a literal was
_FIRST: Final = 1 << 128
"""What stands in the first gap; each further gap has the next number. No literal is as large."""


def _function(source: str, namespace: dict[str, Any]) -> Run:
    """Return the function `run` of a source."""
    texts = _LITERAL.split(source)  # every other one is a literal
    shape = _shape(_GAP.join(texts[::2]))
    code = _code(source) if shape is None else _filled(shape, [int(literal, 0) for literal in texts[1::2]])
    return FunctionType(code, namespace, "run")


@lru_cache(maxsize=4096)
def _shape(text: str) -> CodeType | None:
    """Compile a source with gaps; None when Python has computed something from two of them, and they are lost."""
    first, *others = text.split(_GAP)
    code = _code(first + "".join(f"{number:#x}{other}" for number, other in enumerate(others, _FIRST)))
    return code if _gaps(code) == set(range(_FIRST, _FIRST + len(others))) else None


def _code(source: str) -> CodeType:
    """Compile a source; return the code object of the function in it."""
    module = compile(source, COMPILED, "exec")
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def _gaps(code: CodeType) -> set[int]:
    """Return which gaps are among the constants of a code object and of those in it."""
    gaps = {abs(constant) for constant in code.co_consts if constant.__class__ is int and abs(constant) >= _FIRST}
    return gaps.union(*(_gaps(constant) for constant in code.co_consts if constant.__class__ is CodeType))


def _filled(code: CodeType, values: list[int]) -> CodeType:
    """Return a code object with values in its gaps."""
    constants = []
    for constant in code.co_consts:
        if constant.__class__ is int and constant >= _FIRST:
            constant = values[constant - _FIRST]
        elif constant.__class__ is int and constant <= -_FIRST:
            constant = -values[-constant - _FIRST]
        elif constant.__class__ is CodeType:
            constant = _filled(constant, values)
        constants.append(constant)
    return code.replace(co_consts=tuple(constants))


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
