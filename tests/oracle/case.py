"""One experiment with one instruction, and what came of it.

A `Case` says everything the result may depend on and nothing else, so that any engine (the real CPU, Unicorn,
pagetrap) can run it and the outcomes can be laid side by side. Whatever a case leaves out has a fixed default made
of distinct values: a wrong register is then a wrong value, and a failing case prints only what matters, as Python
that can be pasted into a regression test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import attrs

PAGE = 0x1000
GENERAL = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
)
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
FLAGS = {
    "CF": 1 << 0,
    "PF": 1 << 2,
    "AF": 1 << 4,
    "ZF": 1 << 6,
    "SF": 1 << 7,
    "DF": 1 << 10,
    "OF": 1 << 11,
    "NT": 1 << 14,
    "AC": 1 << 18,
}
FLAG_MASK = sum(FLAGS.values())
DEFAULT_RFLAGS = 0x202  # interrupts on, as in every user program, and the bit that is always one
DEFAULT_REGS = {name: int(f"{0xA0 + i:02x}" * 4 + f"{0x50 + i:02x}" * 4, 16) for i, name in enumerate(GENERAL)}
DEFAULT_VECTOR = tuple(
    int.from_bytes(bytes((i * 64 + j * 7 + 0x31) & 0xFF for j in range(64)), "little") for i in range(32)
)
DEFAULT_K = tuple(0x0123456789ABCDEF ^ (0x1111111111111111 * i) for i in range(8))
DEFAULT_X87 = tuple((0x4000 + i) << 64 | 0x8000000000000000 | 0x0102030405060708 * (i + 1) for i in range(8))
PATTERN = bytes((i * 167 + (i >> 8) * 29 + 13) & 0xFF for i in range(4 * PAGE))


class CannotRun(Exception):
    """Tell that an engine is unable to run a case, and why; it says nothing about the instruction's result."""


def _paste(value: object) -> str:
    if isinstance(value, bytes):
        if len(value) > 16 and len(set(value)) == 1:
            return f'bytes.fromhex("{value[:1].hex()}") * {len(value):#x}'
        return f'bytes.fromhex("{value.hex()}")'
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value) if value > 9 else str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_paste(k)}: {_paste(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(_paste(v) for v in value) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


class _Pasteable:
    """A repr that is Python source, leaves out defaults and writes numbers in hexadecimal."""

    def __repr__(self) -> str:
        fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cast("type[attrs.AttrsInstance]", type(self)))
        shown = [
            f"{field.name}={_paste(value)}"
            for field in fields
            if field.init and (value := getattr(self, field.name)) != field.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


@attrs.frozen(repr=False)
class Window(_Pasteable):
    """The only memory a case may touch: `pages` whole pages at `base`, with absent pages on both sides.

    Its bytes are a fixed pattern with `patches` (offset to bytes) laid over it. The pages whose numbers, from 0 on, are
    in `absent` are absent, too: their bytes are there to be compared, but no instruction reaches them.
    """

    base: int = attrs.field(default=0x400000)
    pages: int = 3
    patches: Mapping[int, bytes] = attrs.field(default={})
    absent: tuple[int, ...] = attrs.field(default=())
    contents: bytes = attrs.field(init=False, eq=False)

    @contents.default
    def _lay_patches(self) -> bytes:
        contents = bytearray(PATTERN[: self.pages * PAGE])
        for offset, data in self.patches.items():
            contents[offset : offset + len(data)] = data
        if len(contents) != self.pages * PAGE or not 0 < self.pages <= len(PATTERN) // PAGE:
            raise ValueError(f"expected patches inside 1 to {len(PATTERN) // PAGE} pages, got {self!r}")
        return bytes(contents)

    @base.validator
    def _check_base(self, _attribute: object, base: int) -> None:
        if base % PAGE or base < 2 * PAGE:
            raise ValueError(f"expected a page-aligned window base from {2 * PAGE:#x} on, got {base:#x}")

    @absent.validator
    def _check_absent(self, _attribute: object, absent: tuple[int, ...]) -> None:
        if not set(absent) <= set(range(self.pages)):
            raise ValueError(f"expected numbers of absent pages from 0 to {self.pages - 1}, got {absent}")

    def first_absent(self, address: int, length: int) -> int | None:
        """Return the first of `length` bytes at `address` that lies in an absent page, None when all are there."""
        page = address & -PAGE
        while page < address + length:
            if not self.holds(page) or (page - self.base) // PAGE in self.absent:
                return max(page, address)
            page += PAGE
        return None

    @property
    def end(self) -> int:
        """The address after the last byte."""
        return self.base + self.pages * PAGE

    def holds(self, address: int, length: int = 1) -> bool:
        """Tell whether `length` bytes at `address` are all inside."""
        return self.base <= address and address + length <= self.end


@attrs.frozen(repr=False)
class VectorState(_Pasteable):
    """Everything XSAVE keeps that a user program sees: vector, mask and x87 registers.

    `x87` holds the eight 80-bit registers in physical order; bit i of `ftw` is set when physical register i is
    in use (the abridged tag word of FXSAVE).
    """

    vector: tuple[int, ...] = DEFAULT_VECTOR
    k: tuple[int, ...] = DEFAULT_K
    mxcsr: int = 0x1F80
    x87: tuple[int, ...] = DEFAULT_X87
    fcw: int = 0x37F
    fsw: int = 0
    ftw: int = 0

    def __repr__(self) -> str:
        default = VectorState()
        changed = [f"{name}={new:#x}" for name, new, old in _registers(self, default) if new != old]
        return f"VectorState().replaced({', '.join(changed)})" if changed else "VectorState()"

    def replaced(self, **named: int) -> VectorState:
        """Return a copy with registers such as `zmm3`, `k1`, `r7` (x87, physical) or `mxcsr` replaced."""
        files = {"zmm": "vector", "k": "k", "r": "x87"}
        changes: dict[str, Any] = {}
        for name, value in named.items():
            file = files.get(name.rstrip("0123456789"))
            if file is None:
                changes[name] = value
                continue
            registers = list(changes.get(file, getattr(self, file)))
            registers[int(name.lstrip("zmkr"))] = value
            changes[file] = tuple(registers)
        return attrs.evolve(self, **changes)


@attrs.frozen(repr=False)
class Case(_Pasteable):
    """One instruction and the state it starts from.

    `regs` and `bases` are overrides: general registers by their 64-bit names, segment bases by segment name. `ip` is
    the offset in the code segment. `bits` 16 follows real-mode rules: a base is a multiple of 16 below 2**20, and
    every segment ends at 0xffff. Without `vectors`, vector state is neither set nor reported.
    """

    code: bytes
    bits: int = 64
    regs: Mapping[str, int] = {}
    rflags: int = DEFAULT_RFLAGS
    window: Window = Window()
    vectors: VectorState | None = None
    bases: Mapping[str, int] = {}
    ip: int = 0x10100

    def registers(self) -> list[int]:
        """All 16 general registers, RSP pointing to the middle of the window unless it is set."""
        stack = self.window.base + self.window.pages * PAGE // 2 - self.bases.get("ss", 0)
        named = DEFAULT_REGS | {"rsp": stack} | dict(self.regs)
        mask = 0xFFFFFFFFFFFFFFFF if self.bits == 64 else 0xFFFFFFFF
        return [value & mask for value in named.values()]

    def segment_bases(self) -> list[int]:
        """All six segment bases in the order es cs ss ds fs gs."""
        return [self.bases.get(name, 0) for name in SEGMENTS]

    @property
    def code_address(self) -> int:
        """The linear address of the instruction."""
        return self.bases.get("cs", 0) + self.ip


@attrs.frozen
class Signal:
    """A fault, as Linux tells a program of it."""

    number: int
    code: int
    address: int

    def __str__(self) -> str:
        return f"signal {self.number} code {self.code:#x} address {self.address:#x}"


ALL_VECTOR_BITS = VectorState(
    vector=((1 << 512) - 1,) * 32,
    k=((1 << 64) - 1,) * 8,
    mxcsr=(1 << 32) - 1,
    x87=((1 << 80) - 1,) * 8,
    fcw=0xFFFF,
    fsw=0xFFFF,
    ftw=0xFF,
)


@attrs.frozen
class Outcome:
    """The state a case ends in; after a fault, the state the fault leaves behind.

    `vector_bits` has a one for each bit of vector state that the engine has; `compare` looks at no others.
    """

    engine: str
    regs: tuple[int, ...]
    rip: int
    rflags: int
    bases: tuple[int, ...]
    memory: bytes
    vectors: VectorState | None = None
    fault: Signal | None = None
    vector_bits: VectorState = ALL_VECTOR_BITS


class Engine(Protocol):
    """Anything that runs cases."""

    def run(self, case: Case) -> Outcome:
        """Execute the case's one instruction.

        Raises:
            CannotRun: This engine cannot say anything about this case.
        """


def flag_names(flags: int) -> str:
    """Name the set flags: `CF ZF`, or `-` when none is set."""
    return " ".join(name for name, bit in FLAGS.items() if flags & bit) or "-"


def compare(case: Case, a: Outcome, b: Outcome, undefined_flags: int = 0) -> list[str]:
    """List every difference between two outcomes of `case`, one readable line each; empty when they agree.

    Flags in `undefined_flags` are not compared, unless the instruction faulted and so left them alone.
    """
    mask = FLAG_MASK & ~undefined_flags if a.fault is None else FLAG_MASK
    lines: list[str] = []

    def differ(what: str, left: object, right: object) -> None:
        if left != right:
            lines.append(f"{what}: {a.engine} {_shown(left)}, {b.engine} {_shown(right)}")

    differ("fault", a.fault, b.fault)
    for name, left, right in zip(GENERAL, a.regs, b.regs, strict=True):
        differ(name, left, right)
    differ("rip", a.rip, b.rip)
    if (a.rflags ^ b.rflags) & mask:
        differ("rflags", flag_names(a.rflags & mask), flag_names(b.rflags & mask))
    for name, left, right in zip(SEGMENTS, a.bases, b.bases, strict=True):
        differ(f"{name} base", left, right)
    if a.vectors is not None and b.vectors is not None:
        values, masks = _registers(a.vectors, b.vectors), _registers(a.vector_bits, b.vector_bits)
        for (name, left_value, right_value), (_, left_mask, right_mask) in zip(values, masks, strict=True):
            differ(name, left_value & left_mask & right_mask, right_value & left_mask & right_mask)
    for offset, length in _runs(a.memory, b.memory):
        span = slice(offset, offset + length)
        differ(f"memory {case.window.base + offset:#x}", a.memory[span].hex(" "), b.memory[span].hex(" "))
    return lines


def _shown(value: object) -> str:
    return f"{value:#x}" if isinstance(value, int) else str(value)


def _registers(a: VectorState, b: VectorState) -> Iterator[tuple[str, int, int]]:
    """All registers of two states side by side, with the names that `replaced` takes."""
    files: tuple[tuple[str, Sequence[int], Sequence[int]], ...] = (
        ("zmm", a.vector, b.vector),
        ("k", a.k, b.k),
        ("r", a.x87, b.x87),
    )
    for prefix, left, right in files:
        for index, pair in enumerate(zip(left, right, strict=True)):
            yield f"{prefix}{index}", *pair
    for name in ("mxcsr", "fcw", "fsw", "ftw"):
        yield name, getattr(a, name), getattr(b, name)


def _runs(a: bytes, b: bytes) -> Iterator[tuple[int, int]]:
    """The stretches of bytes that differ, as (offset, length)."""
    if a == b:
        return
    start = None
    for offset in range(len(a)):
        if a[offset] != b[offset]:
            start = offset if start is None else start
        elif start is not None:
            yield start, offset - start
            start = None
    if start is not None:
        yield start, len(a) - start
