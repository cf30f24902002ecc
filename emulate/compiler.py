"""From an instruction to a callable, once.

The source a `Builder` wrote is compiled here; this is the only place that does so. It holds nothing but constants and
names the builder made, as in the classes that attrs and dataclasses generate. `Compiled.source` keeps it to be read.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from decode import Instruction
from emulate import families  # noqa: F401  # fills RECIPES
from emulate.builder import Builder, Settings
from emulate.faults import UnsupportedInstruction
from emulate.recipes import RECIPES


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
    run: Callable[[Any, Any], None]
    source: str


def compile_instruction(instruction: Instruction, settings: Settings) -> Compiled:
    """Compile an instruction.

    Raises:
        UnsupportedInstruction: no recipe does this instruction or this form of it.
    """
    recipe = RECIPES.get(instruction.string or instruction.mnemonic)
    if recipe is None:
        raise UnsupportedInstruction(instruction)
    builder = Builder(instruction, settings)
    ready = recipe(builder)
    if ready is not None:
        return Compiled(instruction, ready, "")
    source, namespace = builder.finish()
    exec(compile(source, f"<{instruction}>", "exec"), namespace)  # noqa: S102  # our own text, see above
    return Compiled(instruction, namespace["run"], source)


def is_supported(instruction: Instruction) -> bool:
    """Return whether the emulator does this instruction."""
    try:
        compile_instruction(instruction, Settings())
    except UnsupportedInstruction:
        return False
    return True
