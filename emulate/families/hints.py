"""Instructions without effect on registers or memory: NOP, prefetches, cache line flushes, fences.

None of them reaches a bus. A NOP or a prefetch may name any address; flushing a line has a load's checks.
"""

from decode.operands import MemoryOperand
from emulate.builder import Builder
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
