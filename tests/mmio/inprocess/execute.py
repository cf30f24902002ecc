"""One instruction executed in this process with chosen registers, on memory or on a device.

A piece of machine code loads every register from a block of memory, runs the instruction, and stores every register
into another block. Run once on ordinary memory and once on a mapping, the same instruction must do the same.
"""

import ctypes
import random
from ctypes import CFUNCTYPE, addressof, c_uint64
from pathlib import Path
from typing import Any, Final

from emulate import Cpu
from mmio.linux import libc
from mmio.linux.trampoline import trampoline
from mmio.linux.xsave import AVX, OPMASK, ZMM_HI256, XSave, components, vector_width
from tests.native import compile_c

NAMES: Final = ("rax", "rcx", "rdx", "rbx", "rsi", "rdi", "rbp", *(f"r{number}" for number in range(8, 16)))

# The blocks lie at 0x1000 (in) and 0x4000 (out) from the start of the code: registers as in NAMES, flags, and at 0x100
# an XSAVE area.
_SOURCE = """
__asm__(
    ".globl blob, blob_place, blob_end\\n"
    "blob: .Lblob:\\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\\n"
    "mov %rsp, .Lblob+0x3f00(%rip)\\n"
    "RESTORE .Lblob+0x1100(%rip)\\n"
    "push .Lblob+0x1078(%rip); popfq\\n"
    "mov .Lblob+0x1000(%rip), %rax; mov .Lblob+0x1008(%rip), %rcx; mov .Lblob+0x1010(%rip), %rdx\\n"
    "mov .Lblob+0x1018(%rip), %rbx; mov .Lblob+0x1020(%rip), %rsi; mov .Lblob+0x1028(%rip), %rdi\\n"
    "mov .Lblob+0x1030(%rip), %rbp; mov .Lblob+0x1038(%rip), %r8; mov .Lblob+0x1040(%rip), %r9\\n"
    "mov .Lblob+0x1048(%rip), %r10; mov .Lblob+0x1050(%rip), %r11; mov .Lblob+0x1058(%rip), %r12\\n"
    "mov .Lblob+0x1060(%rip), %r13; mov .Lblob+0x1068(%rip), %r14; mov .Lblob+0x1070(%rip), %r15\\n"
    "blob_place: .fill 16, 1, 0x90\\n"
    "mov %rax, .Lblob+0x4000(%rip); mov %rcx, .Lblob+0x4008(%rip); mov %rdx, .Lblob+0x4010(%rip)\\n"
    "mov %rbx, .Lblob+0x4018(%rip); mov %rsi, .Lblob+0x4020(%rip); mov %rdi, .Lblob+0x4028(%rip)\\n"
    "mov %rbp, .Lblob+0x4030(%rip); mov %r8, .Lblob+0x4038(%rip); mov %r9, .Lblob+0x4040(%rip)\\n"
    "mov %r10, .Lblob+0x4048(%rip); mov %r11, .Lblob+0x4050(%rip); mov %r12, .Lblob+0x4058(%rip)\\n"
    "mov %r13, .Lblob+0x4060(%rip); mov %r14, .Lblob+0x4068(%rip); mov %r15, .Lblob+0x4070(%rip)\\n"
    "mov .Lblob+0x3f00(%rip), %rsp\\n"
    "pushfq; pop .Lblob+0x4078(%rip)\\n"
    "SAVE .Lblob+0x4100(%rip)\\n"
    "cld; fninit; ldmxcsr .Lblob+0x3f08(%rip); CLEAR\\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\\n"
    "blob_end: nop\\n");
"""
_IN: Final = 0x1000
_STACK: Final = 0x3F00
_OUT: Final = 0x4000
_AREA: Final = 0x100
_AREA_SIZE: Final = 0x2000
_XSTATE_BV: Final = 512  # in the area: the components in use
_SIZE: Final = 0x8000

_FLAGS: Final = 0xCD5  # the arithmetic flags and DF


def harmless(source: random.Random, length: int) -> bytes:
    """Return bytes that are a number in every format: nowhere a NaN, nowhere zero."""
    return bytes(source.choices((1, 2, 3, 63, 64, 65, 127), k=length))


def _source() -> str:
    """Return the source for this CPU: with XSAVE where the kernel has turned it on, with AVX where the CPU has it."""
    extended = len(components()) > 2
    mask = sum(1 << bit for bit in components())
    ask = f"mov ${mask:#x}, %eax; xor %edx, %edx; "
    source = _SOURCE.replace("CLEAR", "vzeroupper" if AVX in components() else "nop")
    source = source.replace("RESTORE", f"{ask}xrstor64" if extended else "fxrstor64")
    return source.replace("SAVE", f"{ask}xsave64" if extended else "fxsave64")


class Registers:
    """The values of every register, to compare."""

    def __init__(self, base: int) -> None:
        words = (c_uint64 * 16).from_address(base)
        self.general = dict(zip(NAMES, words, strict=False))
        self.flags = words[15] & _FLAGS
        area = XSave(base + _AREA, _AREA_SIZE)
        self.vector, self.k, self.x87 = list(area.vector), list(area.k), list(area.x87)
        self.control = (area.fcw, area.fsw, area.ftw, area.mxcsr)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Registers) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"Registers({vars(self)})"


class Executor:
    """Runs one instruction at a time."""

    def __init__(self, directory: Path) -> None:
        library = compile_c(_source(), directory)
        start, place, end = (addressof(ctypes.c_char.in_dll(library, f"blob{name}")) for name in ("", "_place", "_end"))
        self._base = libc.map_pages(_SIZE, libc.PROT_READ | libc.PROT_WRITE | libc.PROT_EXEC)
        ctypes.memmove(self._base, start, end - start)
        self._place = self._base + place - start
        self._call = CFUNCTYPE(None)(self._base)
        ctypes.c_uint32.from_address(self._base + _STACK + 8).value = trampoline().control_words()[0]

    @property
    def ip(self) -> int:
        """Where the instruction stands."""
        return self._place

    def run(self, code: bytes, seed: int = 0, **general: int) -> Registers:
        """Execute one instruction with registers made from `seed`, but for those given; return all registers after.

        With `narrow=1` the upper halves of YMM0 to 15 are not in use, with `narrow=2` x87 is not, either.
        """
        ctypes.memmove(self._place, code.ljust(16, b"\x90"), 16)
        return self.again(seed, **general)

    def again(self, seed: int = 0, **general: int) -> Registers:
        """Execute what stands there."""
        self._set(seed, general)
        ctypes.memset(self._base + _OUT, 0, 0x2000)
        self._call()
        return Registers(self._base + _OUT)

    def cpu(self, seed: int = 0, **general: int) -> Cpu:
        """Return the registers that `run` would begin with, as a library caller has them."""
        self._set(seed, general)
        words = (c_uint64 * 16).from_address(self._base + _IN)
        state = XSave(self._base + _IN + _AREA, _AREA_SIZE)
        cpu = Cpu(bits=64, rip=self.ip, rflags=words[15], mxcsr=state.mxcsr, **dict(zip(NAMES, words, strict=False)))
        cpu.vector[:], cpu.k[:], cpu.x87[:] = state.vector, state.k, state.x87
        cpu.fcw, cpu.fsw, cpu.ftw = state.fcw, state.fsw, state.ftw
        return cpu

    def _set(self, seed: int, general: dict[str, int]) -> None:
        source = random.Random(seed)
        base = self._base + _IN
        words: Any = (c_uint64 * 16).from_address(base)
        words[:] = [general.get(name, source.getrandbits(64)) for name in NAMES] + [general.get("rflags", 0x202)]
        area = base + _AREA
        ctypes.memset(area, 0, 0x2000)
        state: Any = XSave(area, _AREA_SIZE)
        state.fcw, state.mxcsr = 0x37F, 0x1F80
        narrow = general.get("narrow", 0)
        for index in range(32):
            bytes_set = 16 if narrow and index < 16 else vector_width(index)
            state.vector[index] = int.from_bytes(harmless(source, 64)) & (1 << 8 * bytes_set) - 1
        for index in range(8):
            mask = general.get(f"k{index}", source.getrandbits(64))
            state.k[index] = mask if OPMASK in components() else 0
            state.x87[index] = 0x3FFF << 64 | 1 << 63 | source.getrandbits(60)
        state.ftw = general.get("ftw", 0xFF)
        state.fsw = general.get("fsw", 0)
        if narrow:
            in_use = c_uint64.from_address(area + _XSTATE_BV)
            in_use.value &= ~(1 << AVX | 1 << ZMM_HI256 | (narrow > 1))
