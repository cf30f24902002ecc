"""Instructions without effect on registers or memory: NOP, prefetches, cache line flushes, fences.

None of them reaches a bus. A NOP or a prefetch may name any address; flushing or watching a line has a load's checks.
"""

from decode.memory import monitored
from decode.operands import MemoryOperand
from decode.registers import REGISTERS
from emulate.builder import Builder
from emulate.faults import GeneralProtection
from emulate.recipes import recipe


@recipe(
    *("nop", "reservednop", "pause", "endbr32", "endbr64", "cldemote"),
    *("lfence", "mfence", "sfence", "serialize"),
    *("prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2", "prefetch", "prefetchw", "prefetchwt1"),
    *("prefetchit0", "prefetchit1"),
)
def hint(b: Builder) -> None:
    """Do nothing."""


@recipe("clflush", "clflushopt", "clwb")
def flush(b: Builder) -> None:
    """Check the address as a load would (SDM vol. 2A, CLFLUSH)."""
    (line,) = b.instruction.operands
    assert isinstance(line, MemoryOperand)
    b.address(line)


@recipe("umonitor", "monitorx")
def monitor(b: Builder) -> None:
    """Check the address as a load of a byte would, and arm nothing: a wait that follows ends at once, as it always may.

    MONITORX knows no extensions: ECX must be 0 (APM vol. 3, MONITORX).
    """
    line = monitored(b.instruction)
    assert line is not None
    b.address(line)
    if b.instruction.mnemonic == "monitorx":
        extensions = b.register(REGISTERS["ecx"])
        b.plan(f"if {extensions}: {b.call(refuse_extensions, extensions)}")


def refuse_extensions(extensions: int) -> None:
    """Raise #GP for an extension of MONITORX that no CPU has."""
    raise GeneralProtection(f"monitorx has no extensions, but ecx is {extensions:#x}", error_code=0)
