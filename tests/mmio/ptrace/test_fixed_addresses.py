"""Devices at addresses where a traced program has nothing mapped: programs of 32 bits, and programs attached to."""

import random
import signal
import subprocess
from pathlib import Path

import pytest

from mmio import Device, register
from mmio.errors import MappingError
from mmio.ptrace import Tracer
from tests.mmio.ptrace.models import Recording, pattern
from tests.mmio.ptrace.programs import program, program_32, run
from tests.mmio.ptrace.test_spawn_attach import running, trace_some
from tests.native import run_python

PLACE = 0x40000000

BODIES_32 = {
    "read and written": ("P[1] = 0x1234; leave(P[2] == 0x0b0a0908 ? 3 : 4);", [("W", 4, 4), ("R", 8, 4)]),
    "reached by the kernel": (
        "leave(call(4, 1, (int)(P + 1), 8, 0, 0, 0) == 8 && call(4, 1, (int)(P + 0x100), 8, 0, 0, 0) == -14 ? 3 : 4);",
        [("R", 4, 4), ("R", 8, 4)],
    ),
    "mapped by a hint": (
        "leave((void *)call(192, PLACE, 8192, 3, 0x22, -1, 0) == P && P[1] == 0x07060504 ? 3 : 4);",
        [("R", 4, 4)],
    ),
    "mapped by the old call": (
        "int old[] = {PLACE, 8192, 3, 0x22, -1, 0};"
        "leave((void *)call(90, (int)old, 0, 0, 0, 0, 0) == P && P[1] == 0x07060504 ? 3 : 4);",
        [("R", 4, 4)],
    ),
    "mapped over and unmapped": (
        "if ((void *)call(192, PLACE, 4096, 3, 0x32, -1, 0) != P || P[1] != 0x07060504) leave(4);"
        "leave(!call(91, PLACE, 4096, 0, 0, 0, 0) && P[2] == 0x0b0a0908 ? 3 : 4);",
        [("R", 4, 4), ("R", 8, 4)],
    ),
    "left free by the kernel": (
        "unsigned place, length = 1 << 24;"
        "for (int i = 0; i < 300; i++) {"
        "    place = call(192, 0, length, 0, 0x4022, -1, 0);"
        "    if (place > -4096u) { if (length == 4096) break; length = 4096; i = 0; continue; }"
        "    if (place < PLACE + 4096 && PLACE < place + length) leave(4);"
        "}"
        "leave(P[1] == 0x07060504 ? 3 : 5);",
        [("R", 4, 4)],
    ),
    "left free after unmapping it": (
        "call(91, PLACE, 4096, 0, 0, 0, 0);"
        "for (unsigned place, i = 0; i < 300; i++) {"
        "    place = call(192, 0, 1 << 24, 0, 0x4022, -1, 0);"
        "    if (place < -4096u && place < PLACE + 4096 && PLACE < place + (1 << 24)) leave(4);"
        "}"
        "leave(P[1] == 0x07060504 ? 3 : 5);",
        [("R", 4, 4)],
    ),
    "in a child": (
        "int status, child = call(2, 0, 0, 0, 0, 0, 0); if (!child) leave(P[1] == 0x07060504 ? 6 : 7);"
        "call(7, child, (int)&status, 0, 0, 0, 0); leave(status == 6 << 8 && P[2] == 0x0b0a0908 ? 3 : 4);",
        [("R", 4, 4), ("R", 8, 4)],
    ),
}


@pytest.mark.parametrize("place", [PLACE, 0xFEE00000])
@pytest.mark.parametrize("name", BODIES_32)
def test_32_bit_programs(name: str, place: int) -> None:
    """A 32-bit program has devices at fixed addresses as a 64-bit one has, also above 2 GiB."""
    body, expected = BODIES_32[name]
    tracer = Tracer()
    tracer.map(place, 0x400, Recording(), "card")
    path = program_32(f"#define PLACE {place:#x}\n#define P ((volatile unsigned *)PLACE)\nSTART {{ {body} }}")
    assert run(tracer, path).status == 3
    assert [(a.letter, a.offset, a.width) for a in tracer.trace] == expected
    assert {(a.region, a.address - (a.offset or 0)) for a in tracer.trace} == {("card", place)}
    assert all(a.instruction is not None and a.instruction.bits == 32 for a in tracer.trace)
    assert tracer.unmatched == []


@pytest.mark.parametrize("seed", range(4))
def test_generated_32_bit_layouts(seed: int) -> None:
    """Each access of a 32-bit program goes to the device it is in, at its offset, width and value."""
    drawn = random.Random(seed)
    at, devices = PLACE + drawn.choice([0, 4, 0xFF0]), []
    for _ in range(drawn.randint(2, 6)):
        devices.append((at, drawn.choice([4, 0x10, 0x400, 0x1804])))
        at += devices[-1][1] + drawn.choice([0, 4, 0x400, 0x2000])
    statements, expected = [], []
    for _ in range(40):
        number = drawn.randrange(len(devices))
        start, length = devices[number]
        width = drawn.choice([1, 2, 4])
        offset, value = drawn.randint(0, length - width), drawn.getrandbits(8 * width)
        place = f"*(volatile unsigned {('char', 'short', '', 'int')[width - 1]} *){start + offset:#x}"
        if drawn.random() < 0.5:
            statements.append(f"{place} = {value:#x};")
            expected.append((f"d{number}", "W", offset, width, value))
        else:
            statements.append(f"if ({place} != {pattern(offset, width):#x}u) leave(4);")
            expected.append((f"d{number}", "R", offset, width, pattern(offset, width)))
    cards = [Recording() for _ in devices]
    tracer = Tracer()
    for number, (start, length) in enumerate(devices):
        tracer.map(start, length, cards[number], f"d{number}")
    assert run(tracer, program_32(f"START {{ {' '.join(statements)} leave(3); }}")).status == 3
    assert [(a.region, a.letter, a.offset, a.width, a.value) for a in tracer.trace] == expected
    for number, card in enumerate(cards):
        assert card.written == [entry[2:] for entry in expected if entry[:2] == (f"d{number}", "W")]


def test_beside_a_device_a_32_bit_program_faults() -> None:
    """Beside the device is the program's own SIGSEGV, in 32 bits as well."""
    tracer = Tracer()
    tracer.map(PLACE, 0x400, Recording())
    body = "volatile unsigned *p = (void *)0x40000000; p[1] = 1; p[0x100] = 2; leave(0);"
    assert run(tracer, program_32(f"START {{ {body} }}")).status == -signal.SIGSEGV
    assert [a.offset for a in tracer.trace] == [4]


def test_a_device_at_the_end_of_32_bit_addresses() -> None:
    """The last pages, where the kernel maps nothing, may have a device as well."""
    tracer = Tracer()
    tracer.map(0xFFFFC000, 0x4000, Recording())
    body = "volatile unsigned *p = (void *)0xffffc000; leave(p[1] == 0x07060504 && p[0xfff] == 0xfffefdfc ? 3 : 4);"
    assert run(tracer, program_32(f"START {{ {body} }}")).status == 3
    assert [a.address for a in tracer.trace] == [0xFFFFC004, 0xFFFFFFFC]


def test_a_device_beyond_32_bit_addresses() -> None:
    """A 32-bit program cannot get there, which is said; a 64-bit one may execute a 32-bit one all the same."""
    path = program_32("START { leave(3); }")
    with Tracer() as tracer:
        tracer.map(0x1_4000_0000, 0x400, Recording())
        tracer.spawn([path])
        with pytest.raises(
            MappingError,
            match=r"^a device cannot answer at addresses 0x140000000\.\.0x140000400 of a 32-bit program, whose "
            r"addresses end at 0xffffffff$",
        ):
            tracer.run()
    tracer = Tracer()
    tracer.map(0x1_4000_0000, 0x400, Recording())
    source = "int main(int argc, char **argv) { volatile int *p = (void *)0x140000000; *p = 1; execv(argv[1], argv); }"
    assert run(tracer, program(source), path).status == 3
    assert [a.address for a in tracer.trace] == [0x140000000]


def test_a_device_answers_for_want_of_address_space() -> None:
    """Where a limit of the address space does not let pages be reserved, the device answers all the same."""
    tracer = Tracer()
    tracer.map(PLACE, 1 << 30, Recording())
    body = """int main() { volatile uint32_t *p = (void *)0x40000000; asm("" : "+r"(p));
        return p[1] == 0x07060504 && write(1, (void *)(p + 2), 4) == 4 ? 3 : 4; }"""
    command = ["sh", "-c", 'ulimit -v 100000; exec "$0"', program(body)]
    assert run(tracer, *command).status == 3
    assert [a.offset for a in tracer.trace] == [4, 8]


@pytest.mark.parametrize("start", [(1 << 47) - 4, 1 << 47, 0xFFFF_8000_0000_0000, (1 << 64) - 8])
def test_addresses_that_no_program_has(start: int) -> None:
    """A device beyond the addresses of programs is refused at once; watching there is not."""
    tracer = Tracer()
    with pytest.raises(
        ValueError, match=rf"^expected addresses within 0x0\.\.0x800000000000, got 0x8 bytes from {start:#x} on$"
    ):
        tracer.map(start, 8, Recording())
    tracer.map(start, 8)
    assert tracer.unmatched == [f"addresses {start:#x}..{start + 8:#x}"]


def test_a_device_is_watched() -> None:
    """A watchpoint sees the accesses to its bytes of a device where nothing is mapped."""
    tracer = Tracer()
    tracer.map(PLACE, 0x400, Recording(), "card")
    body = """int main() { volatile uint32_t *p = (void *)0x40000000; asm("" : "+r"(p));
        p[0] = 1, p[1] = 2, p[2] = 3; return p[1] != 0x07060504; }"""
    with tracer.watch(PLACE + 4, 4) as hits:
        assert run(tracer, program(body)).status == 0
    assert [(hit.access.address, hit.access.value) for hit in hits] == [(PLACE + 4, 2)]


class Short(Device):
    """Two registers, and nothing behind them."""

    low = register(0, width=4, reset=0x03020100)
    high = register(4, width=4, reset=0x07060504)


def test_policies_are_those_of_any_target() -> None:
    """A device takes the widths that its target says, and a hole in it reads as that says."""
    tracer = Tracer()
    tracer.map(PLACE, 0x400, Short(), "card", widths=(4,), unmapped="zeros")
    body = """int main() { volatile uint64_t *p = (void *)0x40000000; asm("" : "+r"(p));
        return p[0] == 0x0706050403020100 && *(volatile uint32_t *)(p + 1) == 0 ? 3 : 4; }"""
    assert run(tracer, program(body)).status == 3
    assert [(a.offset, a.width, a.register, a.notes) for a in tracer.trace] == [
        (0, 4, "LOW", "split, too wide"),
        (4, 4, "HIGH", "split, too wide"),
        (8, 4, None, "unmapped"),
    ]


ASKED = r"""
#define P ((volatile uint32_t *)0x40000000)
static sigjmp_buf back;
static void fault(int number) { siglongjmp(back, 1); }
int main() {
    signal(SIGSEGV, fault);
    puts("ready");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) == 1) {
        if (sigsetjmp(back, 1)) puts("fault");
        else printf("%x\n", P[1]);
        fflush(stdout);
    }
    return 3;
}
"""

KILLED = """
import os, sys
from mmio import Tracer

class Card:
    def read(self, offset, width): return 0
    def write(self, offset, width, value): pass

tracer = Tracer()
tracer.map(0x40000000, 0x400, Card())
tracer.attach(int(sys.argv[1]))
os.kill(os.getpid(), 9)
"""


def asked(process: subprocess.Popen[bytes], *, answered: bool = True) -> str:
    """Let a program access the device once more; return what it says, unless it is stopped there."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"?")
    process.stdin.flush()
    return process.stdout.readline().decode().strip() if answered else ""


def is_mapped(pid: int) -> bool:
    """Return whether a process has anything mapped where the device is."""
    return any(line.startswith("40000000-") for line in Path(f"/proc/{pid}/maps").read_text().splitlines())


def test_a_running_program_gets_a_device_and_loses_it() -> None:
    """A program that is attached to has the device as long as it is traced; then nothing is left of it."""
    with running(program(ASKED)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(3):
            assert asked(process) == "fault"
            tracer = Tracer()
            tracer.map(PLACE, 0x400, Recording(), "card")
            tracer.attach(process.pid)
            assert is_mapped(process.pid)
            asked(process, answered=False)
            trace_some(tracer, 1)
            assert process.stdout.readline() == b"7060504\n"
            assert not is_mapped(process.pid)
            assert [(a.region, a.offset, a.value) for a in tracer.trace] == [("card", 4, 0x07060504)]
        process.communicate()
        assert process.returncode == 3


def test_a_killed_tracer_leaves_no_device() -> None:
    """When the tracer is killed the access is the program's own fault again, and the next tracer's device answers."""
    with running(program(ASKED)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert run_python(KILLED, str(process.pid)).returncode == -signal.SIGKILL
        assert [asked(process), asked(process)] == ["fault", "fault"]
        assert run_python(KILLED, str(process.pid)).returncode == -signal.SIGKILL
        tracer = Tracer()
        tracer.map(PLACE, 0x400, Recording(), "card")
        tracer.attach(process.pid)
        asked(process, answered=False)
        trace_some(tracer, 1)
        assert process.stdout.readline() == b"7060504\n"
        assert asked(process) == "fault"
        process.communicate()
        assert process.returncode == 3
