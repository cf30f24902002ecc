"""Instructions a traced thread completes natively, in a copy in its own memory."""

import math
import struct
from collections import Counter
from pathlib import Path

import pytest

from mmio.ptrace import Tracer, frame
from tests.mmio.ptrace.programs import device_file, program, program_32, run
from tests.mmio.ptrace.sources import DIVIDING, MISALIGNED, NATIVE


def test_results_are_the_cpus_in_all_threads(tmp_path: Path) -> None:
    """Loads and stores the emulator does not do give the CPU's results, in threads, under a timer, after fork."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(NATIVE), tmp_path / "device", "fork").status == 0
    loads = [access for access in tracer.trace if access.instruction and access.instruction.mnemonic == "sqrtps"]
    assert len(loads) == 900
    assert {(a.letter, a.width, a.notes) for a in loads} == {("R", 16, "native")}


@pytest.mark.silicon
def test_a_fault_in_the_copy_is_the_originals(tmp_path: Path) -> None:
    """A floating-point exception is the program's, at the original's address, whatever else interrupts the copy."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(DIVIDING), tmp_path / "device").status == 0
    assert {(a.letter, a.width, a.notes) for a in tracer.trace} == {("R", 16, "native")}


def test_a_misaligned_operand_never_comes_to_a_copy(tmp_path: Path) -> None:
    """The CPU raises #GP for it before it looks for the page, so nothing is read (SDM vol. 3A, 7.9)."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(MISALIGNED), tmp_path / "device").status == 0
    assert len(tracer.trace) == 0


def test_32_bit_code_too(tmp_path: Path) -> None:
    """In a 32-bit program loads and stores are completed natively as well, any number of times."""
    source = r"""START {
        volatile unsigned *p = map(path);
        float out[4] __attribute__((aligned(16)));
        for (int i = 0; i < 4; i++) ((volatile float *)p)[i] = (i + 1) * (i + 1);
        for (int i = 0; i < 100; i++) {
            __asm__ volatile("sqrtps (%1),%%xmm3; movaps %%xmm3,%0" : "=m"(out) : "r"(p) : "xmm3");
            if (out[0] != 1 || out[1] != 2 || out[2] != 3 || out[3] != 4) leave(1);
            __asm__ volatile("fnstenv 64(%0); fldenv 64(%0)" : : "r"(p) : "memory");
        }
        leave(p[16] & 0xffff);
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program_32(source), tmp_path / "device").status == 0x37F & 0xFF
    native = Counter((a.letter, a.width, a.text.split()[0]) for a in tracer.trace if a.notes == "native")
    assert native == {("R", 16, "sqrtps"): 100, ("W", 28, "fnstenv"): 100, ("R", 28, "fldenv"): 100}


def test_a_cpu_without_xsave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has no XSAVE area to give, vector and x87 registers come and go by that of FXSAVE."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        float out[4] __attribute__((aligned(16)));
        for (int i = 0; i < 4; i++) ((volatile float *)p)[i] = (i + 1) * (i + 1);
        __asm__ volatile("movups (%1),%%xmm3; sqrtps %%xmm3,%%xmm3; movaps %%xmm3,%0" : "=m"(out) : "r"(p) : "xmm3");
        __asm__ volatile("movaps %0,%%xmm4; movups %%xmm4,(%1); fldpi; fstpl 16(%1)"
            : : "m"(out), "r"(p) : "memory", "xmm4");
        return 0;
    }"""
    monkeypatch.setattr(frame, "has_xsave", lambda: False)
    monkeypatch.setattr(frame, "area_size", lambda: 512)
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(source), tmp_path / "device").status == 0
    contents = (tmp_path / "device").read_bytes()
    assert struct.unpack_from("<4fd", contents) == (1, 2, 3, 4, math.pi)
