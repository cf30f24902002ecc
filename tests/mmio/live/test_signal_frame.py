"""The registers of an interrupted thread."""

import ctypes
import struct
from collections.abc import Callable, Iterator
from ctypes import CDLL, CFUNCTYPE, addressof, c_double, c_int, c_uint64, c_void_p
from pathlib import Path
from signal import SIGILL

import pytest

from mmio.inprocess.signals import Action, current
from mmio.linux.libc import LIBC
from mmio.live.signal_frame import SLOTS, Frame
from tests.native import compile_c

SOURCE = """
double change(double x, unsigned long *general) {
    double result;
    __asm__ volatile("movq %2,%%xmm9; mov $0x1234,%%r12; stc; ud2; movq %%xmm9,%0; mov %%r12,(%1); setc 8(%1)"
        : "=x"(result) : "r"(general), "x"(x) : "xmm9", "r12", "memory", "cc");
    return result;
}
int thread_pointer(unsigned long *general) {
    __asm__ volatile("mov %%fs:0,%%rax; mov %%rax,(%0); ud2" :: "r"(general) : "rax", "memory");
    return 0;
}
"""
UD2 = 2  # bytes


@pytest.fixture
def context() -> tuple[ctypes.Array[c_uint64], Frame]:
    """A frame over words made up, each word its own index, but for the address of an XSAVE area."""
    words = (c_uint64 * 128)(*range(128))
    words[28] = addressof(words) + 512
    return words, Frame(addressof(words))


def test_registers_by_name(context: tuple[ctypes.Array[c_uint64], Frame]) -> None:
    """Each register is the word where struct sigcontext_64 has it, and writing it writes that word."""
    words, frame = context
    order = [
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
        "rdi",
        "rsi",
        "rbp",
        "rbx",
        "rdx",
        "rax",
        "rcx",
        "rsp",
        "rip",
        "rflags",
    ]
    start = 5  # words before the registers: flags, link, stack
    for index, name in enumerate(order):
        assert getattr(frame, name) == start + index
        setattr(frame, name, 0x1000 + index)
        assert words[start + index] == 0x1000 + index
    assert sorted(SLOTS) == list(range(18))
    frame.al = 0x77
    assert frame.rax == 0x1000 + 13 & ~0xFF | 0x77


def test_signal_mask(context: tuple[ctypes.Array[c_uint64], Frame]) -> None:
    """The mask is the word after the registers and the reserved words."""
    words, frame = context
    frame.signal_mask.value = 0xAA
    assert words[37] == 0xAA


def test_selectors(context: tuple[ctypes.Array[c_uint64], Frame]) -> None:
    """The selectors share one word: cs, gs, fs, ss."""
    words, frame = context
    words[23] = 0x002B_0063_006B_0033
    assert (frame.cs, frame.gs, frame.fs, frame.ss, frame.ds, frame.es) == (0x33, 0x6B, 0x63, 0x2B, 0, 0)


@pytest.fixture
def driver(tmp_path: Path) -> CDLL:
    library = compile_c(SOURCE, tmp_path)
    library.change.restype = c_double
    return library


class Interrupted:
    """Calls a Python function with a frame for every SIGILL, and skips the UD2."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.then: Callable[[Frame], None] = lambda frame: None
        self._callback = CFUNCTYPE(None, c_int, c_void_p, c_void_p)(self._on_signal)
        self._old = current(SIGILL)
        action = Action(handler=ctypes.cast(self._callback, c_void_p).value, flags=4)
        LIBC.sigaction(SIGILL, action, None)

    def _on_signal(self, _number: int, _info: int, context: int) -> None:
        frame = Frame(context)
        self.then(frame)
        frame.rip += UD2

    def restore(self) -> None:
        LIBC.sigaction(SIGILL, self._old, None)


@pytest.fixture
def interrupted() -> Iterator[Interrupted]:
    interrupted = Interrupted()
    yield interrupted
    interrupted.restore()


def test_changes_reach_the_program(driver: CDLL, interrupted: Interrupted) -> None:
    """What is written to a frame, vector registers and flags included, the program continues with."""
    seen: list[object] = []

    def change(frame: Frame) -> None:
        seen.extend((frame.xmm9 & (1 << 64) - 1, frame.r12, frame.cf, frame.cs, frame.mxcsr & 0xFFC0))
        frame.xmm9 = int.from_bytes(struct.pack("<d", -1.5), "little")
        frame.r12 += 1
        frame.cf = 0

    interrupted.then = change
    general = (c_uint64 * 2)()
    assert driver.change(c_double(2.75), general) == -1.5
    assert list(general) == [0x1235, 0]
    assert seen == [int.from_bytes(struct.pack("<d", 2.75), "little"), 0x1234, 1, 0x33, 0x1F80]


def test_bases_are_the_threads(driver: CDLL, interrupted: Interrupted) -> None:
    """FS has the thread's own base, which its first word points to; the other segments have none."""
    bases: list[int] = []
    interrupted.then = lambda frame: bases.extend(frame.bases)
    general = (c_uint64 * 2)()
    driver.thread_pointer(general)
    assert bases[4] == general[0] != 0
    assert bases[:4] == [0] * 4
