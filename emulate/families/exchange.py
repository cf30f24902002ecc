"""XADD CMPXCHG CMPXCHG8B CMPXCHG16B: read-modify-writes that also return the old value.

A comparison that fails writes the old value back: memory sees a read and a write either way (SDM vol. 2A, CMPXCHG). A
register that keeps its value keeps the upper half too, which is what Intel's CPUs do.
"""

from typing import Final

from decode.operands import MemoryOperand, RegisterOperand
from decode.registers import REGISTERS
from emulate.builder import Builder
from emulate.families.arithmetic import add, sub
from emulate.flags import WORD, ZF
from emulate.recipes import modify, recipe

_ACCUMULATORS: Final = {1: "al", 2: "ax", 4: "eax", 8: "rax"}
_PAIRED: Final = {4: ("eax", "ecx", "edx", "ebx"), 8: ("rax", "rcx", "rdx", "rbx")}
"""What CMPXCHG8B and CMPXCHG16B use, by the width of one."""


@recipe("xadd")
def xadd(b: Builder) -> None:
    """Add to the destination, its old value goes to the source; of one register with itself the sum stays."""
    destination, source = b.instruction.operands
    if isinstance(destination, RegisterOperand):
        b.write(source, b.read(destination))
        modify(b, add)
    else:
        b.write(source, modify(b, add))


@recipe("cmpxchg")
def cmpxchg(b: Builder) -> None:
    """Compare the accumulator with the destination: equal, the source is stored; else the accumulator is loaded."""
    destination, source = b.instruction.operands
    accumulator = REGISTERS[_ACCUMULATORS[destination.width]]
    expected, new = b.register(accumulator), b.read(source)
    if isinstance(destination, MemoryOperand):
        old = _compare_and_store(b, destination, expected, new)
    else:
        assert isinstance(destination, RegisterOperand)
        old = b.read(destination)
    flags = b.local(f"{b.call(sub, expected, old, b.flags, destination.width)}[1]", "f")
    b.set_register(accumulator, f"({b.unchanged(accumulator)} if {flags} & {ZF:#x} else {old})")
    if isinstance(destination, RegisterOperand):
        b.write(destination, f"({new} if {flags} & {ZF:#x} else {b.unchanged(destination.register)})")
    b.set_flags(flags)


@recipe("cmpxchg8b", "cmpxchg16b")
def cmpxchg_pair(b: Builder) -> None:
    """Compare rDX:rAX with memory: equal, rCX:rBX is stored; else rDX:rAX is loaded. ZF tells which."""
    (destination,) = b.instruction.operands
    assert isinstance(destination, MemoryOperand)
    half = destination.width // 2
    if half == 8:
        b.address(destination, alignment=16)
    a, c, d, base = (REGISTERS[name] for name in _PAIRED[half])
    expected = b.local(f"{b.register(d)} << {8 * half} | {b.register(a)}")
    old = _compare_and_store(b, destination, expected, f"{b.register(c)} << {8 * half} | {b.register(base)}")
    equal = b.local(f"{old} == {expected}", "e")
    b.set_register(a, f"({b.unchanged(a)} if {equal} else {old} & {a.mask:#x})")
    b.set_register(d, f"({b.unchanged(d)} if {equal} else {old} >> {8 * half})")
    b.set_flags(f"({b.flags} | {ZF:#x} if {equal} else {b.flags} & {WORD ^ ZF:#x})")


def _compare_and_store(b: Builder, destination: MemoryOperand, expected: str, new: str) -> str:
    """Build one read and one write: of the new value when the old one is as expected, else of the old one again."""

    def stored(old: str) -> str:
        return f"({new} if {old} == {expected} else {old})"

    if b.instruction.lock:
        return b.update(destination, stored)
    old = b.read(destination)
    b.write(destination, stored(old))
    return old
