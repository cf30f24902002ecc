"""Code that is replaced, in every way a program has: what is recorded is what the CPU would have executed."""

from pathlib import Path

import pytest

from decode import READ, WRITE
from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.ptrace.programs import device_file, program

# Each round puts one of the instructions at the same address and calls it; it prints what it has put there.
REWRITING = r"""
#include <sys/uio.h>
static const struct { char letter; int width; unsigned char code[12]; int length; } FORMS[] = {
    {'R', 1, {0x0f, 0xb6, 0x07, 0xc3}, 4},              // movzx eax,byte [rdi]
    {'R', 2, {0x0f, 0xb7, 0x07, 0xc3}, 4},              // movzx eax,word [rdi]
    {'R', 4, {0x8b, 0x07, 0xc3}, 3},                    // mov eax,[rdi]
    {'R', 8, {0x48, 0x8b, 0x07, 0xc3}, 4},              // mov rax,[rdi]
    {'W', 1, {0x40, 0x88, 0x37, 0xc3}, 4},              // mov [rdi],sil
    {'W', 4, {0x89, 0x37, 0xc3}, 3},                    // mov [rdi],esi
    {'W', 4, {0xc7, 0x07, 1, 2, 3, 4, 0xc3}, 7},        // mov dword [rdi],4030201h
    {'W', 8, {0x48, 0xc7, 0x87, 8, 0, 0, 0, 1, 2, 3, 4, 0xc3}, 12},  // mov qword [rdi+8],4030201h
};
static unsigned char *code, *other_view;
static int file;
static void put(int how, const unsigned char *bytes, int length) {
    struct iovec here = {(void *)bytes, length}, there = {other_view, length};
    switch (how) {
    case 0: memcpy(other_view, bytes, length); break;
    case 1: pwrite(file, bytes, length, 0); break;
    case 2: process_vm_writev(getpid(), &here, 1, &there, 1, 0); break;
    case 3:
        mprotect(code, 4096, PROT_READ | PROT_WRITE);
        memcpy(code, bytes, length);
        mprotect(code, 4096, PROT_READ | PROT_EXEC);
        break;
    case 4: {
        int fresh = memfd_create("fresh", 0);
        ftruncate(fresh, 4096);
        pwrite(fresh, bytes, length, 0);
        mmap(code, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fresh, 0);
        other_view = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fresh, 0);
        close(file);
        file = fresh;
    }
    }
}
int main(int argc, char **argv) {
    char *device = (char *)map(argv[1], PROT_READ | PROT_WRITE);
    unsigned seed = atoi(argv[2]);
    file = memfd_create("code", 0);
    ftruncate(file, 4096);
    code = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    other_view = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    for (int round = 0; round < 200; round++) {
        seed = seed * 1103515245 + 12345;
        int which = seed >> 16 & 7, how = (seed >> 20) % 5;
        put(how, FORMS[which].code, FORMS[which].length);
        ((void (*)(void *, long))code)(device, round);
        printf("%c %d\n", FORMS[which].letter, FORMS[which].width);
    }
}
"""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_code_replaced_in_any_way_is_what_it_is_now(tmp_path: Path, engine: str, seed: int) -> None:
    """Through a second mapping, the file, the kernel, a change of protection or another mapping in its place."""
    path = device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [str(program(REWRITING)), str(path), str(seed)])
    assert run.status == 0, run.complaints
    put = [line.split() for line in run.output.splitlines()]
    assert len(put) == 200
    assert [({READ: "R", WRITE: "W"}[a.direction], str(a.width)) for a in run.accesses] == [tuple(p) for p in put]
