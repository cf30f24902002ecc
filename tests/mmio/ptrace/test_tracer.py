"""Unmodified programs under a tracer: what is recorded, and that they do not notice."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from decode import READ, WRITE
from emulate import UnsupportedInstruction
from mmio.live import instruction_cache
from mmio.live.instruction_cache import MissedAccess
from mmio.ptrace import Tracer, faults
from tests.mmio.ptrace.models import Broken, Recording, pattern
from tests.mmio.ptrace.programs import device_file, is_gone, need_program, program, program_32, run
from tests.mmio.ptrace.sources import ENDLESS, MAPPINGS
from tests.mmio.silent import in_c, silent_forms
from tests.native import ROOT

WIDTHS = {"b": 1, "w": 2, "l": 4, "q": 8}


def test_a_32_bit_instruction_that_only_checks_a_page_makes_no_record(tmp_path: Path) -> None:
    """What faults on a trapped page and accesses nothing there is completed in 32-bit programs, too."""
    tracer = Tracer()
    path = device_file(tmp_path)
    tracer.map_file(str(path))
    source = f"START {{ volatile unsigned *p = map(path); int done = 0; {in_c(32)} leave(done); }}"
    assert run(tracer, program_32(source), path).status == len(silent_forms(32)) >= 1
    assert list(tracer.trace) == []


@pytest.mark.parametrize("letter", WIDTHS)
def test_memtool_reads_are_seen_at_their_width(tmp_path: Path, letter: str) -> None:
    """memtool maps a plain file and reads it with one access of the asked width an element; all are recorded."""
    need_program("memtool", "memtool")
    path, width = device_file(tmp_path, bytes(range(256)) * 32), WIDTHS[letter]
    tracer = Tracer()
    tracer.map_file(str(path))
    outcome = run(tracer, "memtool", "md", "-s", path, f"-{letter}", "0x1010+16")
    assert outcome.status == 0
    assert "00001010:" in outcome.output
    seen = [(access.direction, access.width, access.address & 0xFFF, access.value) for access in tracer.trace]
    assert seen == [(READ, width, at, pattern(at, width)) for at in range(0x10, 0x20, width)]
    assert {access.region for access in tracer.trace} == {f"{path}+0x1000"}
    assert all(access.text and access.ip for access in tracer.trace)


@pytest.mark.parametrize("letter", WIDTHS)
def test_memtool_writes_reach_the_file(tmp_path: Path, letter: str) -> None:
    """A store is recorded with its value, and performed on the file behind the mapping."""
    need_program("memtool", "memtool")
    path, width = device_file(tmp_path), WIDTHS[letter]
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, "memtool", "mw", "-d", path, f"-{letter}", "0x20", "0x5a").status == 0
    assert [(a.direction, a.width, a.offset, a.value) for a in tracer.trace] == [(WRITE, width, 0x20, 0x5A)]
    assert path.read_bytes()[0x20 : 0x20 + width] == (0x5A).to_bytes(width, "little")


@pytest.mark.parametrize(("letter", "width"), [("b", 1), ("w", 2), ("l", 4)])
def test_ioport_programs_are_answered(letter: str, width: int) -> None:
    """iopl is granted, and IN and OUT go to a port device, in all widths."""
    need_program("inb", "ioport")
    card = Recording()
    tracer = Tracer()
    tracer.map_ports(0x80, 8, card)
    outcome = run(tracer, f"in{letter}", "0x82")
    assert (outcome.status, int(outcome.output)) == (0, pattern(2, width))
    tracer.spawn([f"out{letter}", "0x84", "0x12345678"[: 2 + 2 * width]])
    assert tracer.run() == 0
    assert card.written == [(4, width, int("0x12345678"[: 2 + 2 * width], 16))]
    assert [(a.space, a.width, a.address) for a in tracer.trace] == [("port", width, 0x82), ("port", width, 0x84)]


def test_a_device_answers_in_place_of_a_file(tmp_path: Path) -> None:
    """A device is asked with offsets from where the target begins in the file, whatever the mapping's start."""
    card = Recording()
    tracer = Tracer()
    tracer.map_file("/nowhere/*", card, offset=0x800, length=0x100, name="card")
    source = r"""int main() {
        volatile uint32_t *p = map("/nowhere/registers", PROT_READ | PROT_WRITE);
        p[0x810 / 4] = p[0x804 / 4];
        return 0;
    }"""
    assert run(tracer, program(source)).status == 0
    assert card.written == [(0x10, 4, pattern(4, 4))]
    assert [(a.region, a.offset) for a in tracer.trace] == [("card", 4), ("card", 16)]


def test_mappings_are_followed(tmp_path: Path) -> None:
    """mremap moves what is trapped, munmap of a part leaves the rest, mprotect changes what the program may do."""
    path = device_file(tmp_path, bytes(0x4000))
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, program(MAPPINGS), path).status == 0
    written = [(a.address & 0xFFF, a.value) for a in tracer.trace if a.direction == WRITE]
    assert written == [(0, 1), (0, 2), (4, 3), (8, 4), (0, 5), (8, 6)]
    data = path.read_bytes()
    assert (data[0], data[0x2000], data[0x2004], data[0x2008], data[0x3000]) == (2, 1, 3, 6, 5)


def test_code_that_changes_is_read_again(tmp_path: Path) -> None:
    """An instruction that was replaced by another is the other, in a file's pages and in memory made for code."""
    source = r"""
    __attribute__((noinline, aligned(4096))) static uint32_t load(volatile uint32_t *p) {
        uint32_t value;
        __asm__ volatile("movl (%1),%0; nop" : "=r"(value) : "r"(p));
        return value;
    }
    static void patch(void *code, uint32_t size) {
        uint8_t *byte = code;
        while (byte[0] != 0x8b) byte++;
        memcpy(byte, "\x0f\xb6\x07", 3);  /* movzx eax,byte ptr [rdi], where mov eax,[rdi]; nop was */
    }
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ);
        uint32_t before = load(p);
        if (mprotect((void *)load, 4096, PROT_READ | PROT_WRITE | PROT_EXEC)) return 1;
        patch(load, 64);
        if (mprotect((void *)load, 4096, PROT_READ | PROT_EXEC)) return 2;
        if (load(p) != (before & 0xff)) return 3;
        uint8_t *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        uint32_t (*call)(volatile uint32_t *) = (void *)made;
        memcpy(made, "\x8b\x07\xc3\x90", 4);
        if (call(p) != before) return 4;
        memcpy(made, "\x8a\x07\x90\xc3", 4);
        call(p);
        return 0;
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path, bytes(range(256)) * 16)))
    assert run(tracer, program(source), tmp_path / "device").status == 0
    assert [(a.width, a.text) for a in tracer.trace] == [
        (4, "mov eax,[rdi]"),
        (1, "movzx eax,byte ptr [rdi]"),
        (4, "mov eax,[rdi]"),
        (1, "mov al,[rdi]"),
    ]


def test_private_mappings_stay_private(tmp_path: Path) -> None:
    """What is stored in a private mapping is seen by the program and its later children, and not by the file."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, open(argv[1], O_RDONLY), 0);
        p[1] = 7;
        if (!fork()) { p[1]++; _exit(p[1]); }
        int status;
        wait(&status);
        return 10 * p[1] + WEXITSTATUS(status);
    }"""
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, program(source), path).status == 78
    assert path.read_bytes() == bytes(4096)


def test_a_range_is_watched_to_the_byte(tmp_path: Path) -> None:
    """A range target records accesses to its bytes only, though whole pages are trapped; reads of others continue."""
    source = r"""
    static volatile struct { uint32_t before, watched, after; } s __attribute__((aligned(4096)));
    int main() { s.before = 1; s.watched = 2; s.after = 3; return s.before + s.watched + s.after; }"""
    path = program(source, "-no-pie", "-static")
    symbols = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    address = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" s"))
    tracer = Tracer()
    tracer.map(address + 4, 4, name="watched")
    assert run(tracer, path).status == 6
    assert [(str(a.direction.name), a.value, a.region) for a in tracer.trace] == [
        ("WRITE", 2, "watched"),
        ("READ", 2, "watched"),
    ]
    assert tracer.unmatched == []


def test_32_bit_programs(tmp_path: Path) -> None:
    """A 32-bit program is decoded and emulated as one, its system calls included."""
    source = r"""START {
        volatile unsigned *p = map(path);
        p[1] = 0x1234;
        p[2] = p[1] + 1;
        if (call(4, 1, (int)(p + 1), 2, 0, 0, 0) != 2) leave(9);
        leave(p[2] == 0x1235 ? 3 : 4);
    }"""
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file(str(path))
    outcome = run(tracer, program_32(source), path)
    assert outcome.status == 3
    assert outcome.output == "\x34\x12"
    assert [(a.offset, a.value, a.notes) for a in tracer.trace] == [
        (4, 0x1234, ""),
        (4, 0x1234, ""),
        (8, 0x1235, ""),
        (4, 0x1234, "system call"),
        (8, 0x1235, ""),
    ]
    assert all(a.instruction is not None and a.instruction.bits == 32 for a in tracer.trace)


def test_a_model_that_raises_stops_the_program(tmp_path: Path) -> None:
    """The exception comes out of run as itself, with the trace up to there; the program is gone."""
    tracer = Tracer()
    tracer.map_file("/nowhere", Broken(), length=0x1000)
    pid = tracer.spawn([program(ENDLESS)])
    with pytest.raises(RuntimeError, match="out of order"):
        tracer.run()
    assert len(tracer.trace) == 2
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_model_that_raises_in_a_thread(tmp_path: Path) -> None:
    """Programs with several threads and processes are gone, too, when a device model has raised."""
    source = r"""
    static volatile uint32_t *p;
    static void *work(void *unused) { for (;;) p[0]; }
    int main(int argc, char **argv) {
        pthread_t threads[4];
        volatile uint32_t *other = map(argv[1], PROT_READ | PROT_WRITE);
        if (!fork()) for (;;) other[0]++;
        while (!other[0]) usleep(1000);
        p = map("/nowhere", PROT_READ);
        for (int i = 0; i < 4; i++) pthread_create(threads + i, 0, work, 0);
        pause();
    }"""
    tracer = Tracer()
    tracer.map_file("/nowhere", Broken())
    tracer.map_file(str(device_file(tmp_path)))
    with pytest.raises(RuntimeError, match="out of order"):
        run(tracer, program(source), tmp_path / "device")
    assert all(is_gone(access.thread) for access in tracer.trace)


@pytest.mark.cpu("XSAVE")
@pytest.mark.parametrize("bits", [64, 32])
def test_an_instruction_nobody_can_do_is_shown(tmp_path: Path, bits: int) -> None:
    """What neither the emulator nor a copy can do stops the program, with its text, bytes, mode and registers."""
    path = device_file(tmp_path)
    instruction = r"""__asm__ volatile("xsave (%0)" : : "r"(p), "a"(7), "d"(0) : "memory");"""
    if bits == 64:
        body = "int main(int argc, char **argv) { volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);"
        binary = program(f"{body} p[1] = 5; {instruction} }}")
    else:
        binary = program_32(f"START {{ volatile unsigned *p = map(path); p[1] = 5; {instruction} }}")
    tracer = Tracer()
    tracer.map_file(str(path))
    with pytest.raises(UnsupportedInstruction, match=rf"xsave.*rax=0x7.*bytes 0f ae .*{bits}-bit") as caught:
        run(tracer, binary, path)
    assert caught.value.instruction.mnemonic == "xsave"
    assert [(access.letter, access.offset, access.value) for access in tracer.trace] == [("W", 4, 5)]


def test_a_tracer_runs_again(tmp_path: Path) -> None:
    """One tracer can run one program after another; each run returns how its own program ended."""
    tracer = Tracer()
    assert [run(tracer, "sh", "-c", f"exit {status}").status for status in (3, 4)] == [3, 4]


def test_an_access_that_cannot_be_explained_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the instruction does not touch the address that faulted, as we reckon, nothing is done but to say so."""
    monkeypatch.setattr(instruction_cache, "checked_ranges", lambda instruction, frame: iter(()))
    faults._instructions.clear()
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file(str(path))
    body = "int main(int argc, char **argv) { map(argv[1], PROT_READ | PROT_WRITE)[3] = 5; }"
    with pytest.raises(MissedAccess, match=r"'mov .*\],5' at ip .*bytes c7 .* faulted at 0x5a000000000c, .*rip=0x"):
        run(tracer, program(body), path)
    assert len(tracer.trace) == 0
    assert path.read_bytes() == bytes(4096)


def test_what_was_never_met_is_reported(tmp_path: Path) -> None:
    """A target that the program used nothing that matches is named at its end."""
    tracer = Tracer()
    tracer.map_file("/no/such/*")
    tracer.map_ports(0x70, 2, Recording())
    with pytest.warns(UserWarning, match=r"the program used nothing that matches") as warned:
        assert run(tracer, "true").status == 0
    assert [str(w.message).partition("matches ")[2] for w in warned] == ["file '/no/such/*'", "ports 0x70..0x72"]


def test_the_tracers_death_kills_what_it_spawned(tmp_path: Path) -> None:
    """A spawned program does not outlive its tracer, however that ends."""
    code = f"""
import os, sys
from mmio.ptrace import Tracer
tracer = Tracer()
tracer.map_file({str(device_file(tmp_path))!r})
print(tracer.spawn(["sleep", "100"]), flush=True)
os.kill(os.getpid(), 9)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    died = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    pid = int(died.stdout)
    for _ in range(100):
        if is_gone(pid):
            return
        time.sleep(0.05)
    pytest.fail(f"{pid} still runs")
