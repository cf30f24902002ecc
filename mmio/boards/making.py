"""Create a board from a file that describes a chip, with the core that the file describes."""

from os import PathLike, fspath
from typing import Final, Unpack

from mmio.arguments import shortened
from mmio.boards.board import Board
from mmio.cortex_m.core import Core
from mmio.descriptions.chip import Chip, Cpu
from mmio.descriptions.rdl.chip import RdlFile
from mmio.descriptions.svd.chip import SvdFile
from mmio.device.clock import Clock
from mmio.inprocess.mapping import Policies
from mmio.traces.trace import Trace

FREQUENCY: Final = 16_000_000
"""Of the core clock in Hz, unless told otherwise."""

WIDTHS: Final = (1, 2, 4)
"""Of accesses on the bus of a microcontroller, in bytes: wider ones are split."""

PER_ACCESS: Final = 100
"""Nanoseconds that an access to a peripheral takes, unless told otherwise."""

_V6: Final = ("CM0", "CM0PLUS", "CM0+", "CM1")


def board(
    path: str | PathLike[str] | Chip | None = None,
    *,
    core: Core | str | None = "auto",
    clock: Clock | None = None,
    frequency: int = FREQUENCY,
    trace: Trace | None = None,
    per_access: int = PER_ACCESS,
    **policies: Unpack[Policies],
) -> Board:
    """Map a whole chip into this process, at the addresses that firmware has in its header files.

        with mmio.board("STM32F407.svd") as board:
            board.ram(0x2000_0000, 128 << 10, name="SRAM")
            firmware = board.load("./firmware.so")
            firmware.usart_init()
            assert board.USART2.CR1.UE

    Each peripheral of the file is made when it is first touched. It has the file's registers, fields and reset values;
    `replace` puts a model of yours in its place.

    Args:
        path: of a CMSIS-SVD file, or of a SystemRDL address map (`.rdl`); an `SvdFile` or `RdlFile`; an empty board
            when left out.
        core: a `Core` of mmio.cortex_m, None for none; one as an SVD file describes it when left out, and none with
            SystemRDL, which describes no core.
        clock: the time; a new one, which each access advances, when left out.
        frequency: of the core clock in Hz.
        trace: where accesses are recorded; a new one when left out.
        per_access: ns that an access to a peripheral takes.
        policies: what becomes of accesses the peripherals were not made for, see `Policy`. `unmapped`: between
            peripherals, too. `widths=(4,)`: registers take whole words only.

    Raises:
        ImportError: lxml or systemrdl-compiler is missing.
        DescriptionError: the file cannot be read, or is not what its name says.
        MappingError: something of this process is where a peripheral belongs; names it.
    """
    given = dict(policies)
    given.setdefault("widths", WIDTHS)
    time = Clock(per_access=per_access) if clock is None else clock
    if not isinstance(time, Clock):
        raise TypeError(f"clock is a Clock, not {shortened(clock)}")
    chip = None if path is None else chip_of(path)
    if isinstance(core, str):
        if core != "auto":
            raise ValueError(f"core is a Core or None, not {core!r}")
        core = core_of(chip, time, frequency)
    return Board(chip, core, time, Trace() if trace is None else trace, given)  # type: ignore[arg-type]


def chip_of(source: str | PathLike[str] | Chip) -> Chip:
    """Return the chip that a file describes; one that has been read already is returned as it is.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(source, str | PathLike):
        return RdlFile(source) if fspath(source).endswith(".rdl") else SvdFile(source, warn=False)
    if not hasattr(source, "memory_map"):
        raise TypeError(f"a board is made of the path of a file, an SvdFile or an RdlFile, not {shortened(source)}")
    return source


def core_of(chip: Chip | None, clock: Clock, frequency: int = FREQUENCY) -> Core | None:
    """Return the core that a file describes, a Cortex-M4's where it says nothing; None for other families."""
    cpu = Cpu() if chip is None else chip.cpu()
    if cpu is None:
        return None
    name = cpu.name.upper()
    if name and not name.startswith(("CM", "SC0", "SC3")):
        return None
    if name in _V6:
        return Core("v6-M", clock, frequency, priority_bits=2)
    return Core("v7-M", clock, frequency, priority_bits=max(cpu.priority_bits, 2), fpu=cpu.fpu or not name)
