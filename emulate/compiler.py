"""Compile an instruction into a function, once.

The text a `Builder` wrote is compiled here; this is the only place that does so. It holds only numbers and names
the builder made, as in the classes that attrs and dataclasses generate.

Python's compiler takes several times as long as decoding and building together, but most instructions a program brings
differ from one seen before only in registers, displacements and immediates. Those are no part of the text but defaults
of its parameters. So each text is compiled once, and the function of an instruction is its code with other defaults.

Tracebacks and debuggers show the text, which `linecache` has for as long as the code is alive.
"""

import linecache
from functools import lru_cache
from itertools import count
from types import CodeType, FunctionType
from typing import Final
from weakref import finalize

from attrs import frozen

from decode import Instruction
from emulate import families  # noqa: F401  # fills RECIPES
from emulate.answer import COMPILED
from emulate.builder import Builder, Settings
from emulate.faults import InvalidOpcode, UnsupportedInstruction
from emulate.recipes import RECIPES, Recipe, Run
from emulate.source import Source
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

        It is written again whenever it is asked for: kept, it would be most of what a compiled instruction takes.
        """
        written = _written(self.instruction, self.settings)
        return str(written) if isinstance(written, Source) else ""


def compile_instruction(instruction: Instruction, settings: Settings) -> Compiled:
    """Compile an instruction.

    Raises:
        UnsupportedInstruction: no recipe does this instruction or this form of it.
    """
    written = _written(instruction, settings)
    run = _function(written) if isinstance(written, Source) else written
    return Compiled(instruction, run, settings)


def _written(instruction: Instruction, settings: Settings) -> Source | Run:
    """Return what the recipe of an instruction wrote, or the ready-made function it returned.

    Raises:
        UnsupportedInstruction: no recipe does this instruction or this form of it.
    """
    recipe = _recipe(instruction)
    if recipe is None:
        raise UnsupportedInstruction(instruction, reason(instruction.mnemonic))
    builder = Builder(instruction, settings)
    if instruction.bits == 16 and instruction.encoding != "legacy":
        builder.plan(f"if not cpu.protected: {builder.call(refuse_in_real_mode)}")
    return recipe(builder) or builder.finish()


def refuse_in_real_mode() -> None:
    """Refuse VEX and EVEX encodings in real mode (SDM vol. 2A, 2.3.1), which shares its decoding with 16-bit code."""
    raise InvalidOpcode("VEX and EVEX encodings do not exist in real mode")


_GLOBALS: Final = {"__name__": __name__, "__tracebackhide__": True}
"""The globals of every function. pytest reports a failure of a driver or a model, not of the way between them."""

_numbers: Final = count(1)


def _function(source: Source) -> Run:
    """Return the function of a source: the code of its text with its defaults."""
    defaults = (*source.constants.values(), *source.objects.values())
    return FunctionType(_code(source.text), _GLOBALS, "run", defaults)


@lru_cache(maxsize=4096)
def _code(text: str) -> CodeType:
    """Compile the text of a function, and show it in tracebacks and debuggers while the code is alive."""
    file = f"{COMPILED}{next(_numbers)}>"
    module = compile(text, file, "exec")
    code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # None: no file that may change
    finalize(code, linecache.cache.pop, file, None).atexit = False
    return code


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
