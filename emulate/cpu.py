"""The registers of one x86 CPU, by their architectural names.

The words themselves are plain sequences (`regs`, `vector`, …) which compiled instructions index directly; names are a
thin layer on top, generated from decode's register table. A frame over saved registers elsewhere (a signal's, another
process's) inherits the names and brings its own sequences; `slots` says where each general register stands in them.
"""

from collections.abc import MutableSequence
from copy import copy
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from decode.registers import FLAGS, GENERAL, MASK, MMX, POINTER, REGISTERS, SEGMENT, VECTOR, X87, Register, merge, read
from emulate.flags import BITS, RESERVED_ONE

RIP: Final = 16
"""Index of rip in `slots`."""
RFLAGS: Final = 17
"""Index of rflags in `slots`."""

SLOTS: Final = tuple(range(18))
"""The plain order of `Cpu.regs`: rax rcx rdx rbx rsp rbp rsi rdi r8 … r15 rip rflags."""

_SYSTEM_WORDS: Final = {"mxcsr": 32, "fcw": 16, "fsw": 16, "ftw": 8}


class RegisterFile:
    """Register names over sequences of words that a subclass provides.

    Attributes:
        bits: the mode: 16, 32 or 64.
        protected: protected mode. 64- and 32-bit code always is; 16-bit code is real mode unless this is set.
        slots: positions of rax … r15, rip, rflags in `regs`.
        regs: 18 unsigned 64-bit words.
        selectors, bases: six each, es cs ss ds fs gs.
        limits: the six segments' highest offsets, or None not to check any. Unused in 64-bit code.
        vector: 32 unsigned 512-bit ints.
        k: eight 64-bit opmask registers.
        x87: eight 80-bit registers in physical order, with `fcw`, `fsw` and `ftw` (bit i: register i is valid).
        mxcsr: SSE control and status.
        cr0: what SMSW stores, PE MP ET NE WP AM PG unless set: what Linux shows to user code (arch/x86/kernel/umip.c).
        pending: why the last step of a bounded REP instruction stopped: "" (it finished) or "iterations".
    """

    __slots__ = ()

    bits: int
    protected: bool
    slots: tuple[int, ...]
    regs: MutableSequence[int]
    selectors: MutableSequence[int]
    bases: MutableSequence[int]
    limits: MutableSequence[int] | None = None
    vector: MutableSequence[int]
    k: MutableSequence[int]
    x87: MutableSequence[int]
    fcw: int
    fsw: int
    ftw: int
    mxcsr: int
    cr0: int = 0x80050033
    pending: str = ""

    if TYPE_CHECKING:  # the names below are generated: eax, xmm3, fs_base, zf …

        def __getattr__(self, name: str) -> int: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def segment_base(self, index: int, selector: int) -> int:
        """Return the base that loading `selector` into segment register `index` gives.

        In real mode that is sixteen times the selector (SDM vol. 3B, 20.1.1). Elsewhere a descriptor table decides,
        which this class does not have: override the method to look it up.

        Raises:
            NotImplementedError: in protected mode; nothing has been changed.
        """
        if self.protected:
            raise NotImplementedError(
                f"loading selector {selector:#x} in protected mode needs a descriptor table: override segment_base"
            )
        return selector << 4


class Cpu(RegisterFile):
    """Registers of a CPU, zero except those given.

    Args:
        bits: 64, 32 or 16.
        protected: for 16-bit code, protected mode rather than real mode.
        registers: any register by its name, flags (`zf=1`) and segment bases (`fs_base=…`) too.

    Raises:
        ValueError: a value does not fit its register; or `bits` is not a mode.
        TypeError: no register has that name, or a value is no int.
    """

    # Without a __dict__, a misspelt register (`cpu.eaxx = 1`) is an AttributeError.
    __slots__ = (
        *("bits", "protected", "regs", "selectors", "bases", "limits", "vector", "k", "x87"),
        *("fcw", "fsw", "ftw", "mxcsr", "cr0", "pending", "slots", "__weakref__"),
    )

    names: ClassVar[frozenset[str]]
    """Every name that can be read and written as an attribute."""

    def __init__(self, bits: int = 64, *, protected: bool | None = None, **registers: int) -> None:
        if bits not in (16, 32, 64):
            raise ValueError(f"bits is 16, 32 or 64, not {bits!r}")
        if type(self).slots is Cpu.slots:  # a subclass may say where its words stand
            self.slots = SLOTS
        self.bits = bits
        self.protected = bits != 16 if protected is None else protected
        self.regs = [0] * 18
        self.regs[RFLAGS] = RESERVED_ONE
        self.selectors = [0] * 6
        self.bases = [0] * 6
        self.vector = [0] * 32
        self.k = [0] * 8
        self.x87 = [0] * 8
        self.fcw, self.fsw, self.ftw, self.mxcsr = 0x37F, 0, 0, 0x1F80
        self.limits, self.cr0, self.pending = RegisterFile.limits, RegisterFile.cr0, RegisterFile.pending
        for name, value in registers.items():
            if name not in self.names:
                close = get_close_matches(name, self.names, n=1)
                raise TypeError(f"no register is called {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
            setattr(self, name, value)

    def copy(self) -> Self:
        """Return an independent copy, of the same class."""
        twin = copy(self)
        for name in ("regs", "selectors", "bases", "vector", "k", "x87"):
            setattr(twin, name, list(getattr(self, name)))
        twin.limits = None if self.limits is None else list(self.limits)
        return twin

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RegisterFile):
            return NotImplemented
        return _state(self) == _state(other)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        names = [name for name in REGISTERS if REGISTERS[name].file == GENERAL and REGISTERS[name].width == 8]
        shown = [f"{name}={getattr(self, name):#x}" for name in ["rip", *names, "rflags"] if getattr(self, name)]
        return f"Cpu({', '.join([f'bits={self.bits}', *shown])})"


def _state(cpu: RegisterFile) -> tuple[object, ...]:
    """Return everything two CPUs are compared by."""
    files = (cpu.regs, cpu.selectors, cpu.bases, cpu.vector, cpu.k, cpu.x87)
    return (cpu.bits, cpu.protected, *map(list, files), *(getattr(cpu, name) for name in _SYSTEM_WORDS))


class _Named:
    """A register's name as an attribute."""

    def __init__(self, register: Register) -> None:
        self.register = register

    def _place(self, cpu: RegisterFile) -> tuple[MutableSequence[int], int]:
        """Return the sequence that holds the register's word, and its index there."""
        file, index = self.register.file, self.register.index
        if file == GENERAL:
            return cpu.regs, cpu.slots[index]
        if file == POINTER:
            return cpu.regs, cpu.slots[RIP]
        if file == FLAGS:
            return cpu.regs, cpu.slots[RFLAGS]
        if file == X87:
            return cpu.x87, (cpu.fsw >> 11) + index & 7  # counted from the top of the stack
        return {VECTOR: cpu.vector, MASK: cpu.k, MMX: cpu.x87, SEGMENT: cpu.selectors}[file], index

    def __get__(self, cpu: RegisterFile | None, owner: type) -> Any:
        if cpu is None:
            return self
        words, index = self._place(cpu)
        return read(words[index], self.register)

    def __set__(self, cpu: RegisterFile, value: int) -> None:
        _require(self.register.name, value, 8 * self.register.width)
        if self.register.file == SEGMENT and not cpu.protected:
            cpu.bases[self.register.index] = cpu.segment_base(self.register.index, value)
        words, index = self._place(cpu)
        words[index] = merge(words[index], self.register, value)


class _Base:
    """A segment's base as an attribute: `cpu.fs_base`."""

    def __init__(self, name: str, index: int) -> None:
        self.name = name
        self.index = index

    def __get__(self, cpu: RegisterFile | None, owner: type) -> Any:
        return self if cpu is None else cpu.bases[self.index]

    def __set__(self, cpu: RegisterFile, value: int) -> None:
        _require(self.name, value, 64)
        cpu.bases[self.index] = value


class _Flag:
    """One flag as an attribute: 0 or 1."""

    def __init__(self, name: str, mask: int) -> None:
        self.name = name
        self.mask = mask

    def __get__(self, cpu: RegisterFile | None, owner: type) -> Any:
        return self if cpu is None else int(bool(cpu.regs[cpu.slots[RFLAGS]] & self.mask))

    def __set__(self, cpu: RegisterFile, value: int) -> None:
        _require(self.name, value, 1)
        slot = cpu.slots[RFLAGS]
        cpu.regs[slot] = cpu.regs[slot] & ~self.mask | (self.mask if value else 0)


def _require(name: str, value: int, bits: int) -> None:
    """Refuse a value that is no int, or does not fit."""
    if not hasattr(value, "__index__"):
        raise TypeError(f"{name} holds an int, not {value!r}")
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} holds {bits} bits, unsigned; {value:#x} does not fit")


def _install_names() -> frozenset[str]:
    """Give `RegisterFile` every name, and return them."""
    named: dict[str, object] = {
        register.name: _Named(register) for register in REGISTERS.values() if register.file != "system"
    }
    named |= {f"{REGISTERS[name].name}_base": _Base(f"{name}_base", REGISTERS[name].index) for name in _SEGMENTS}
    named |= {f"{name}_flag" if name == "if" else name: _Flag(name, mask) for name, mask in BITS.items()}
    for name, descriptor in named.items():
        setattr(RegisterFile, name, descriptor)
    return frozenset(named) | frozenset(_SYSTEM_WORDS)


_SEGMENTS: Final = ("es", "cs", "ss", "ds", "fs", "gs")
Cpu.names = _install_names()
