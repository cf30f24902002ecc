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


def test_memory_for_copies_is_got_while_others_fork(tmp_path: Path) -> None:
    """A child has the memory for copies that its process had at the fork, and no more, when the tracer hears of it."""
    source = r"""
    static volatile uint32_t *device;
    static volatile int done;
    static void *get_slots(void *nothing) {  // each instruction has a slot of its own, so blocks of them are needed
        __asm__ volatile(".rept 1200; paddd (%0),%%xmm0; .endr" :: "r"(device) : "xmm0");
        done = 1;
        return 0;
    }
    static void *make_children(void *nothing) {
        uintptr_t bad = 0;
        while (!done) {
            pid_t child = fork();
            if (!child) {
                __asm__ volatile(".rept 3; paddd (%0),%%xmm0; .endr" :: "r"(device) : "xmm0");
                _exit(7);
            }
            int status;
            waitpid(child, &status, 0);
            bad += !WIFEXITED(status) || WEXITSTATUS(status) != 7;
        }
        return (void *)bad;
    }
    int main(int argc, char **argv) {
        device = map(argv[1], PROT_READ | PROT_WRITE);
        pthread_t threads[4];
        for (int n = 0; n < 4; n++) pthread_create(threads + n, 0, n ? make_children : get_slots, 0);
        int bad = 0;
        for (int n = 0; n < 4; n++) {
            void *result;
            bad += pthread_join(threads[n], &result) || result;
        }
        return bad;
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(source), tmp_path / "device").status == 0


def test_a_program_unmaps_what_it_does_not_know(tmp_path: Path) -> None:
    """The tracer's memory is mapped again where a program has unmapped all that was not there when it began."""
    source = r"""
    static int mappings(uintptr_t (*found)[2], int most) {
        char text[1 << 15], *line = text;
        int fd = open("/proc/self/maps", O_RDONLY), length = 0, count = 0, part;
        while ((part = read(fd, text + length, sizeof text - 1 - length)) > 0) length += part;
        text[length] = 0;
        close(fd);
        for (; *line && count < most; line = strchr(line, '\n') + 1)
            if (sscanf(line, "%lx-%lx", &found[count][0], &found[count][1]) == 2) count++;
        return count;
    }
    static int touch(uintptr_t (*found)[2], int count, uintptr_t *one) {  // the stack grows
        while (count--) if (found[count][0] < one[1] && one[0] < found[count][1]) return 1;
        return 0;
    }
    int main(int argc, char **argv) {
        static uintptr_t before[200][2], now[200][2];
        static char bytes[2][64];
        volatile uint32_t *device = map(argv[1], PROT_READ | PROT_WRITE);
        int first = mappings(before, 200), fd = open("/dev/zero", O_RDONLY);
        for (int i = 0; i < 100; i++) {
            memset(bytes, 1, sizeof bytes);
            device[0] = device[1] = i;
            __asm__ volatile("movq %1,%%xmm0; paddd (%1),%%xmm0; paddd 16(%1),%%xmm0; movdqu %%xmm0,%0"
                : "=m"(bytes[0]) : "r"(device) : "xmm0");
            if (read(fd, (void *)(device + 8), 64) != 64 || device[9]) return 1;
            for (int n = mappings(now, 200); n--;)
                if (!touch(before, first, now[n]) && munmap((void *)now[n][0], now[n][1] - now[n][0])) return 2;
        }
        return 0;
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(source), tmp_path / "device").status == 0


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
