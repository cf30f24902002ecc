"""Devices at addresses where a program has nothing mapped, as firmware has them, under both engines."""

import random
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from decode import WRITE
from mmio.records.access import Access
from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.ptrace.programs import need_program, program

both = pytest.mark.parametrize("engine", ENGINES)

PLACE: Final = 0x40000000
TIMERS: Final = """
from mmio import Device, bit, field, register

class Tim2(Device):
    CR1 = register(0x00, width=4, reset=0, fields=[bit("CEN", 0)])
    CNT = register(0x24, width=4, reset=0x1234)

class Tim3(Device):
    CR1 = register(0x00, width=4, reset=0, fields=[bit("CEN", 0)])
    CNT = register(0x24, width=4, reset=0x5678)
"""
FIRMWARE: Final = r"""
typedef struct { volatile uint32_t CR1, CR2, rest[7], CNT; } TIM_TypeDef;
#define TIM2 ((TIM_TypeDef *)0x40000000)
#define TIM3 ((TIM_TypeDef *)0x40000400)
static int firmware(void) {
    TIM2->CR1 |= 1;
    TIM3->CR1 = 1;
    uint32_t count = TIM2->CNT + TIM3->CNT;
    TIM3->CNT = count;
    *(volatile uint16_t *)&TIM2->CNT = 0xabcd;
    return count == 0x68ac && *(volatile uint8_t *)&TIM2->CNT == 0xcd && TIM3->CNT == 0x68ac;
}
"""


def described(accesses: list[Access]) -> list[tuple[object, ...]]:
    """Return what there is to know of accesses but when they were made, and by which process."""
    return [(a.letter, a.address, a.width, a.value, a.region, a.offset, a.register, a.text, a.notes) for a in accesses]


@both
def test_firmware_runs_as_it_does_on_mapped_memory(tmp_path: Path, engine: str) -> None:
    """Devices side by side in one page answer, and the records are those of a program that has mapped the page."""
    (tmp_path / "timers.py").write_text(TIMERS)
    devices = ["-q", "--device", "timers.py:Tim2@range:0x40000000+0x400"]
    devices += ["--device", "timers.py:Tim3@range:0x40000400+0x400"]
    plain = program(FIRMWARE + "int main() { return firmware() ? 3 : 4; }", "-fno-inline")
    mapping = "mmap((void *)TIM2, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);"
    mapped = program(FIRMWARE + f"int main() {{ {mapping} return firmware() ? 3 : 4; }}", "-fno-inline")
    runs = [pagetrap(engine, tmp_path, "run", devices, [path]) for path in (plain, mapped)]
    assert [(run.status, run.complaints) for run in runs] == [(3, "")] * 2
    assert described(runs[0].accesses) == described(runs[1].accesses)
    first, second, *_, last = runs[0].accesses
    assert (first.region, first.register, first.address, second.value) == ("Tim2", "CR1", PLACE, 1)
    assert (last.region, last.register, last.value) == ("Tim3", "CNT", 0x68AC)
    assert first.ip
    assert first.text.startswith(("mov", "or"))


INSTRUCTIONS: Final = r"""
#define P ((volatile uint8_t *)0x40000000)
static int firmware(void) {
    char bytes[64];
    uint64_t a = 5, left = 8;
    void *from = (void *)P, *to = bytes;
    asm volatile("lock xaddq %0, 8(%1)" : "+r"(a) : "r"(P) : "memory");
    asm volatile("xchgl %k0, 16(%1); incb 3(%1)" : "+r"(a) : "r"(P) : "memory");
    asm volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(left) : : "memory");
    asm volatile("pxor %%xmm0, %%xmm0; movdqu %%xmm0, 0x3f0(%0); paddd 0x20(%0), %%xmm0; sqrtps 0x30(%0), %%xmm1"
        : : "r"(P) : "xmm0", "xmm1", "memory");
    asm volatile("fnstenv 0x40(%0); push 0x50(%0); pop 0x60(%0)" : : "r"(P) : "memory");
    asm volatile("cmpxchg16b 0x3fc(%0)" : : "r"(P - 0x3c), "a"(1), "d"(2), "b"(3), "c"(4) : "memory");
    return to == bytes + 32 && !memcmp(bytes, "\0\1\2\3", 4);
}
"""


@both
def test_instructions_of_all_kinds(tmp_path: Path, engine: str) -> None:
    """Atomics, strings, vectors, and what the CPU completes itself, have the records of mapped memory."""
    devices = ["-q", "--device", "models.py:Pattern@range:0x40000000+0x400", "--device"]
    devices.append("models.py:Pattern@range:0x40000400+0x400")
    plain = program(INSTRUCTIONS + "int main() { return firmware() ? 3 : 4; }", "-fno-inline")
    mapping = "mmap((void *)P, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);"
    mapped = program(INSTRUCTIONS + f"int main() {{ {mapping} return firmware() ? 3 : 4; }}", "-fno-inline")
    runs = [pagetrap(engine, tmp_path, "run", devices, [path]) for path in (plain, mapped)]
    assert [(run.status, run.complaints) for run in runs] == [(3, "")] * 2
    assert described(runs[0].accesses) == described(runs[1].accesses)
    notes = {word for access in runs[0].accesses for word in access.notes.split(", ")}
    assert {"native", "atomic", "split"} <= notes


@both
def test_a_string_instruction_ends_where_the_device_does(tmp_path: Path, engine: str) -> None:
    """Its elements in the device are done, then it is the program's fault, with the registers of that moment."""
    source = r"""
    static void fault(int number, siginfo_t *info, void *context) {
        greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
        _exit(info->si_addr == (void *)0x40000400 && regs[REG_RDI] == 0x40000400 && regs[REG_RCX] == 5 ? 3 : 4);
    }
    int main() {
        struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, 0);
        asm volatile("rep stosl" : : "D"(0x400003f4), "a"(0x55), "c"(8) : "memory");
        return 5;
    }"""
    options = ["-q", "--device", "models.py:Pattern@range:0x40000000+0x400"]
    run = pagetrap(engine, tmp_path, "run", options, [program(source)])
    assert (run.status, run.complaints) == (3, "")
    assert [(a.letter, a.offset, a.value) for a in run.accesses] == [("W", at, 0x55) for at in (0x3F4, 0x3F8, 0x3FC)]


PERFORMING: Final = r"""
#include <immintrin.h>
static sigjmp_buf back;
static volatile int code;
static void *volatile where;
static void fault(int number, siginfo_t *info, void *context) {
    code = info->si_code, where = info->si_addr;
    siglongjmp(back, 1);
}
int main(int argc, char **argv) {
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    for (int i = 1; i < argc; i++) {
        char kind;
        int width;
        unsigned long at, value;
        __m128i wide;
        sscanf(argv[i], "%c%d:%lx:%lx", &kind, &width, &at, &value);
        if (sigsetjmp(back, 1)) { printf("fault %d %lx\n", code, (long)where); continue; }
        switch (kind << 8 | width) {
        case 'R' << 8 | 1: value = *(volatile uint8_t *)at; break;
        case 'R' << 8 | 2: value = *(volatile uint16_t *)at; break;
        case 'R' << 8 | 4: value = *(volatile uint32_t *)at; break;
        case 'R' << 8 | 8: value = *(volatile uint64_t *)at; break;
        case 'R' << 8 | 16: asm volatile("movdqu (%1), %0" : "=x"(wide) : "r"(at)); value = wide[0]; break;
        case 'W' << 8 | 1: *(volatile uint8_t *)at = value; break;
        case 'W' << 8 | 2: *(volatile uint16_t *)at = value; break;
        case 'W' << 8 | 4: *(volatile uint32_t *)at = value; break;
        case 'W' << 8 | 8: *(volatile uint64_t *)at = value; break;
        case 'W' << 8 | 16: wide[0] = wide[1] = value; asm volatile("movdqu %0, (%1)" : : "x"(wide), "r"(at)); break;
        }
        printf("%lx\n", value);
    }
}
"""

MEMORIES: Final = '''
class Memory:
    """Bytes, which begin as the number of the device; writes down what it is asked."""

    def __init__(self, number, length, log):
        self.number, self.bytes, self.log = number, bytearray([number]) * length, open(log, "a")

    def read(self, offset, width):
        print(self.number, "R", offset, width, file=self.log, flush=True)
        return int.from_bytes(self.bytes[offset : offset + width], "little")

    def write(self, offset, width, value):
        print(self.number, "W", offset, width, file=self.log, flush=True)
        self.bytes[offset : offset + width] = value.to_bytes(width, "little")
'''


class Layout(NamedTuple):
    """Devices as (start, length), and accesses as (kind, width, address, value)."""

    devices: list[tuple[int, int]]
    accesses: list[tuple[str, int, int, int]]


def layout(random: random.Random, place: int) -> Layout:
    """Draw devices in a few pages, some of them side by side, and accesses at them, over their borders and beside."""
    devices: list[tuple[int, int]] = []
    at = place + random.choice([0, 0x40, 0x7FC, 0xFF8])
    for _ in range(random.randint(2, 7)):
        length = random.choice([1, 4, 0x10, 0x40, 0x400, 0x1000, 0x1804])
        devices.append((at, length))
        at += length + random.choice([0, 0, 4, 0x40, 0x3C0, 0x1000, 0x3010])
    borders = [border for start, length in devices for border in (start, start + length)]
    inside = [start + random.randrange(length) for start, length in devices for _ in range(6)]
    places = inside + [border + random.randint(-16, 16) for border in borders for _ in range(3)]
    return Layout(
        devices,
        [(random.choice("RW"), random.choice([1, 2, 4, 8, 16]), at, random.getrandbits(64)) for at in places],
    )


def expected_of(drawn: Layout) -> tuple[list[str], list[tuple[int, str, int, int]]]:
    """Return what the program prints, and byte by byte what the devices are asked: number, kind, offset."""
    memory = {start + i: number for number, (start, length) in enumerate(drawn.devices) for i in range(length)}
    owners = {start + i: (number, i) for number, (start, length) in enumerate(drawn.devices) for i in range(length)}
    lines, asked = [], []
    for kind, width, at, value in drawn.accesses:
        missing = [byte for byte in range(at, at + width) if byte not in memory]
        if missing:
            lines.append(f"fault 1 {missing[0]:x}")  # SEGV_MAPERR
            continue
        whole = (value << 64 | value) & (1 << 8 * width) - 1
        if kind == "W":
            memory |= {at + i: whole >> 8 * i & 0xFF for i in range(width)}
            lines.append(f"{value:x}")
        else:
            lines.append(f"{int.from_bytes(bytes(memory[at + i] for i in range(width))[:8], 'little'):x}")
        asked += [(owners[at + i][0], kind, owners[at + i][1], 1) for i in range(width)]
    return lines, asked


@both
@pytest.mark.parametrize("seed", range(6))
def test_generated_layouts(tmp_path: Path, engine: str, seed: int) -> None:
    """Each access goes to the devices whose bytes it touches, whole; beside them it is the fault that it would be."""
    drawn_by = random.Random(seed)
    place = [PLACE, 0xE000E000, 0x123456789000, 0x400000000000, 0x5A0000000000, 0x700000000000][seed]
    drawn = layout(drawn_by, place)
    models = [f"def d{n}(): return Memory({n}, {size}, 'asked')" for n, (_, size) in enumerate(drawn.devices)]
    (tmp_path / "memories.py").write_text("\n".join([MEMORIES, *models]))
    options = ["-q"]
    order = list(enumerate(drawn.devices))
    drawn_by.shuffle(order)
    for number, (start, length) in order:
        options += ["--device", f"memories.py:d{number}@range:{start:#x}+{length:#x}"]
    words = [f"{kind}{width}:{at:x}:{value:x}" for kind, width, at, value in drawn.accesses]
    run = pagetrap(engine, tmp_path, "run", options, [program(PERFORMING), *words])
    lines, asked = expected_of(drawn)
    assert (run.status, run.output.splitlines()) == (0, lines), run.complaints
    log = [line.split() for line in (tmp_path / "asked").read_text().splitlines()]
    calls = [(int(n), kind, int(offset), int(width)) for n, kind, offset, width in log]
    assert [(n, kind, at + i, 1) for n, kind, at, width in calls for i in range(width)] == asked
    records = [(int((a.region or "d").removeprefix("d")), a.letter, a.offset, a.width) for a in run.accesses]
    assert records == calls
    assert all(
        a.address == drawn.devices[n][0] + offset for a, (n, _, offset, _) in zip(run.accesses, calls, strict=True)
    )


CATCHING: Final = r"""
static volatile int code;
static void *volatile where;
static void fault(int number, siginfo_t *info, void *context) {
    code = info->si_code, where = info->si_addr;
    _exit(code == SEGV_MAPERR && where == (void *)0x40000402 ? 5 : 6);
}
"""

BESIDE: Final = {
    "read": "return *(volatile uint16_t *)0x40000402;",
    "written": "*(volatile uint16_t *)0x40000402 = 1;",
    "copied to": 'asm volatile("rep movsb" : : "D"(0x40000402), "S"(argv), "c"(8) : "memory");',
    "in another page": "return *(volatile uint16_t *)0x40001402;",
}


@both
@pytest.mark.parametrize("name", BESIDE)
def test_beside_a_device_is_the_programs_own_fault(tmp_path: Path, engine: str, name: str) -> None:
    """An access beside a device, in its page or not, is as if there were no device: whatever --unmapped says."""
    body = BESIDE[name]
    options = ["--device", "models.py:Pattern@range:0x40000000+0x400", "--unmapped=zeros"]
    path = program(f"int main(int argc, char **argv) {{ {body} return 0; }}")
    run = pagetrap(engine, tmp_path, "run", options, [path])
    assert (run.status, run.accesses) == (-11, [])
    caught = CATCHING + "int main(int argc, char **argv) { struct sigaction a = {.sa_sigaction = fault, .sa_flags = "
    caught += f"SA_SIGINFO}}; sigaction(SIGSEGV, &a, 0); {body} return 0; }}"
    run = pagetrap(engine, tmp_path, "run", options, [program(caught)])
    assert run.status == (6 if "another" in name else 5)


BEGUN: Final = r"""
#define P ((volatile uint8_t *)0x40000000)
static void *at(uintptr_t address, size_t length, int flags) {
    return mmap((void *)address, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}
static int answers(int at) { return P[at] == (at & 0xff); }
int main(int argc, char **argv) {
    int ends[2], status;
    char bytes[64] = {0};
    pipe(ends);
"""

CALLS: Final = {
    "write": "return write(ends[1], (void *)(P + 8), 12) != 12 || read(ends[0], bytes, 64) != 12 || bytes[11] != 19;",
    "read": 'write(ends[1], "0123456789", 10); return read(ends[0], (void *)P, 40) != 10;',
    "write over the end": """FILE *file = tmpfile(); int fd = fileno(file);
        if (write(fd, (void *)(P + 0x3f0), 0x40) != 0x10) return 1;
        return pread(fd, bytes, 64, 0) != 16 || bytes[15] != (char)0xff;""",
    "write to a pipe over the end": "return write(ends[1], (void *)(P + 0x3f0), 0x40) != -1 || errno != EFAULT;",
    "write before the start": "return write(ends[1], (void *)(P + 0x7f0), 0x40) != -1 || errno != EFAULT;",
    "write beside": "return write(ends[1], (void *)(P + 0x400), 0x10) != -1 || errno != EFAULT;",
    "write in another page": "return write(ends[1], (void *)(P + 0x1000), 0x10) != -1 || errno != EFAULT;",
    "writev": """struct iovec v[2] = {{"ab", 2}, {(void *)(P + 0x3fe), 6}};
        FILE *file = tmpfile(); int fd = fileno(file);
        return writev(fd, v, 2) != 4 || pread(fd, bytes, 64, 0) != 4 || bytes[3] != (char)0xff;""",
    "readv": """struct iovec v[2] = {{bytes, 3}, {(void *)P, 40}}; write(ends[1], "01234567", 8);
        return readv(ends[0], v, 2) != 8 || memcmp(bytes, "012", 3);""",
    "fstat over the end": "return fstat(0, (void *)(P + 0x3f0)) != -1 || errno != EFAULT;",
    "side by side": "return write(ends[1], (void *)(P + 0xbfc), 8) != 8 || read(ends[0], bytes, 64) != 8 || bytes[4];",
}


@both
@pytest.mark.parametrize("name", CALLS)
def test_the_kernel_reaches_devices_as_far_as_they_go(tmp_path: Path, engine: str, name: str) -> None:
    """A system call's buffer may lie in a device; where it continues beside it, the count is short, or it is EFAULT."""
    options = []
    for where in ("0x40000000+0x400", "0x40000800+0x400", "0x40000c00+0x10"):
        options += ["--device", f"models.py:Pattern@range:{where}"]
    run = pagetrap(engine, tmp_path, "run", options, [program(BEGUN + CALLS[name] + "}")])
    assert run.status == 0, run.complaints
    assert {a.notes for a in run.accesses} <= {"system call", "split, system call"}
    if name in ("write", "read"):
        wide = (8, 4) if name == "write" else (8, 2)
        assert [(a.letter, a.width) for a in run.accesses] == [("RW"[name == "read"], width) for width in wide]


LATER: Final = {
    "mapped over": "return at(0x40000000, 4096, MAP_FIXED) != P || !answers(5) || !answers(0x301);",
    "mapped by a hint": "return at(0x40000000, 0x5000, 0) != P || !answers(5) || (P[0x4000] = 1, P[0x4000] != 1);",
    "mapped by a hint in a child": """
        if (!fork()) _exit(at(0x40001000, 4096, 0) != P + 0x1000 || !answers(5) || !answers(0x1005));
        wait(&status); return WEXITSTATUS(status) || !answers(7);""",
    "mapped by an odd hint": "return at(0x40000002, 0x5000, 0) != P || !answers(5);",
    "mapped where nothing was": """return at(0x3ffff000, 0x2000, MAP_FIXED_NOREPLACE) != P - 4096 || !answers(5)
        || at(0x3ffff000, 0x2000, MAP_FIXED_NOREPLACE) != MAP_FAILED || errno != EEXIST || !answers(5);""",
    "not mapped after all": """at(0x3fff0000, 4096, 0);
        if (at(0x3fff0000, 0x20000, MAP_FIXED_NOREPLACE) != MAP_FAILED || errno != EEXIST || !answers(7)) return 1;
        return at(0x3fff0000, 0x20000, 0) == (void *)0x3fff0000 || !answers(9);""",
    "mapped and unmapped": """at(0x40000000, 4096, MAP_FIXED);
        return munmap((void *)P, 4096) || !answers(5) || at(0x40000000, 4096, MAP_FIXED) != P || !answers(9);""",
    "unmapped": """return munmap((void *)P, 4096) || !answers(5)
        || munmap((void *)(P - 0x10000), 0x30000) || !answers(6);""",
    "mapped in part": """return at(0x40002000, 4096, MAP_FIXED) != P + 0x2000 || !answers(0x1fff) || !answers(0x2000)
        || !answers(0x3000) || munmap((void *)(P + 0x2000), 4096) || !answers(0x2004);""",
    "mapped without rights": """mmap((void *)(P + 0x1000), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
        -1, 0); return mprotect((void *)(P + 0x1000), 4096, PROT_READ) || !answers(0x1004);""",
    "moved onto": """volatile uint8_t *q = at(0x50000000, 4096, MAP_FIXED); q[5] = 99;
        return mremap((void *)q, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, P + 0x1000) != P + 0x1000
        || !answers(0x1005) || munmap((void *)(P + 0x1000), 4096) || !answers(0x1006);""",
    "moved away": """void *other = (void *)0x50000000;
        return mremap((void *)P, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, other) != MAP_FAILED || errno != EFAULT
        || !answers(3);""",
    "a file": """FILE *file = tmpfile(); ftruncate(fileno(file), 8192);
        return mmap((void *)P, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fileno(file), 0) != P
        || !answers(5) || munmap((void *)P, 8192) || !answers(6);""",
    "shared, and forked": """
        mmap((void *)P, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (!fork()) _exit(answers(5) && !munmap((void *)P, 8192) && answers(6));
        wait(&status); return WEXITSTATUS(status) != 1 || !answers(7);""",
}


@both
@pytest.mark.parametrize("name", LATER)
def test_devices_answer_whatever_the_program_maps_or_unmaps_there(tmp_path: Path, engine: str, name: str) -> None:
    """What the program maps it gets, where it asked for it; the device continues answering at its addresses."""
    body = LATER[name]
    options = ["-q", "--device", "models.py:Pattern@range:0x40000000+0x4000"]
    run = pagetrap(engine, tmp_path, "run", options, [program(BEGUN + body + "}")])
    assert (run.status, run.complaints) == (0, "")
    assert run.accesses
    assert {a.region for a in run.accesses} <= {"Pattern", "Pattern+0x1000", "Pattern+0x2000", "Pattern+0x3000"}
    assert all(a.address - PLACE == _offset(a) for a in run.accesses)


def _offset(access: Access) -> int:
    """Return the offset in the device, of which a part has a name and offsets of its own."""
    assert access.offset is not None
    return int((access.region or "").removeprefix("Pattern") or "0", 0) + access.offset


@both
def test_a_range_in_mapped_memory_is_still_trapped_beside_a_device(tmp_path: Path, engine: str) -> None:
    """Targets that share a page and continue into another are trapped in both, over a mapping and without one."""
    options = ["-q", "--device", "models.py:Pattern@range:0x40000000+0x400"]
    options += ["--device", "models.py:Pattern@range:0x40000800+0x1000"]
    body = r"""
        if (!answers(5) || P[0x900] || P[0x17ff] != 0xff) return 1;
        at(0x40000000, 0x2000, MAP_FIXED);
        P[0x500] = 7;
        return !answers(5) || P[0x900] || P[0x17ff] != 0xff || P[0x500] != 7;"""
    run = pagetrap(engine, tmp_path, "run", options, [program(BEGUN + body + "}")])
    assert (run.status, run.complaints) == (0, "")
    assert [a.address - PLACE for a in run.accesses] == [5, 0x900, 0x17FF] * 2


RELATIVES: Final = {
    "fork": """for (int i = 0; i < 3; i++) if (!fork()) { P[0] = 10 + i; _exit(answers(i) ? 3 : 4); }
        for (int i = 0; i < 3; i++) { wait(&status); if (WEXITSTATUS(status) != 3) return 1; }
        return !answers(9);""",
    "fault of a child": """if (!fork()) return P[0x1000];
        wait(&status); return !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV || !answers(9);""",
    "fault of a child over the end": """if (!fork()) { *(volatile uint32_t *)(P + 0xffe) = 5; _exit(0); }
        wait(&status); return !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV || !answers(9);""",
    "call of a child": """if (!fork()) _exit(write(ends[1], (void *)(P + 0xffe), 2));
        wait(&status); return WEXITSTATUS(status) != 2 || read(ends[0], bytes, 8) != 2 || bytes[1] != (char)0xff;""",
    "vfork": """char *next[] = {argv[0], "again", 0};
        pid_t child = vfork(); if (!child) { execv(argv[0], next); _exit(9); }
        waitpid(child, &status, 0); return WEXITSTATUS(status) != 7 || !answers(9);""",
    "execve": 'if (!answers(9)) return 1; execl(argv[0], argv[0], "again", NULL); return 2;',
    "a shell": 'return WEXITSTATUS(system("exec $PROGRAM again")) != 7;',
}


@both
@pytest.mark.parametrize("name", RELATIVES)
def test_devices_answer_children_and_the_programs_they_execute(
    tmp_path: Path, engine: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child by fork or vfork, and a program that is executed, have the same devices at the same addresses."""
    path = program(BEGUN + "if (argc > 1) return answers(1) && answers(0xfff) ? 7 : 8;" + RELATIVES[name] + "}")
    monkeypatch.setenv("PROGRAM", path)
    run = pagetrap(engine, tmp_path, "run", ["-q", "--device", "models.py:Pattern@range:0x40000000+0x1000"], [path])
    assert (run.status, run.complaints) == (7 if name == "execve" else 0, "")
    assert [a.value for a in run.accesses if a.direction == WRITE] == [] or name == "fork"
    if name == "fork":
        assert sorted(a.value for a in run.accesses if a.direction == WRITE) == [10, 11, 12]


@both
def test_a_child_has_no_more_of_a_page_than_the_device(tmp_path: Path, engine: str) -> None:
    """An access of a child that continues beside the device is a fault, of which the device sees nothing."""
    body = """if (!fork()) { *(volatile uint32_t *)(P + 0x3fe) = 5; _exit(0); }
        wait(&status); return !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV || !answers(9); }"""
    options = ["-q", "--device", "models.py:Pattern@range:0x40000000+0x400"]
    run = pagetrap(engine, tmp_path, "run", options, [program(BEGUN + body)])
    assert (run.status, run.complaints) == (0, "")
    assert [(a.letter, a.offset) for a in run.accesses] == [("R", 9)]


THREADS: Final = r"""
#define P ((volatile uint32_t *)0x40000000)
static volatile int wrong;
static void *work(void *number) {
    for (int i = 0; i < 50; i++) {
        void *own = mmap(0, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        P[(long)number] = i;
        if (P[1] != 0x07060504) wrong = 1;
        if (!(i % 10)) munmap((void *)P, 4096);
        munmap(own, 0x10000);
    }
    return 0;
}
int main() {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(threads + i, 0, work, (void *)(i + 4));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    return wrong ? 4 : 3;
}
"""


@both
def test_no_access_of_a_thread_is_missed(tmp_path: Path, engine: str) -> None:
    """Threads reach the device while others take away what reserves its page."""
    run = pagetrap(
        engine, tmp_path, "run", ["-q", "--device", "models.py:Pattern@range:0x40000000+64"], [program(THREADS)]
    )
    assert (run.status, run.complaints) == (3, "")
    for thread in range(4):
        written = [a.value for a in run.accesses if a.direction == WRITE and a.offset == 4 * (thread + 4)]
        assert written == list(range(50))


LOW: Final = r"""
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/capability.h>
static void drop(int capability) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    prctl(PR_CAPBSET_DROP, capability);
    syscall(SYS_capget, &header, data);
    data[0].effective &= ~(1 << capability), data[0].permitted &= ~(1 << capability);
    data[0].inheritable &= ~(1 << capability);
    syscall(SYS_capset, &header, data);
}
int main(int argc, char **argv) {
    volatile uint32_t *p = (void *)0x10;
    asm("" : "+r"(p));
    if (argc == 1) {
        drop(17);  /* CAP_SYS_RAWIO, which lets map below vm.mmap_min_addr */
        execl(argv[0], argv[0], "again", NULL);
        return 1;
    }
    int ends[2];
    pipe(ends);
    p[1] = 5;
    if (p[2] != 0x0b0a0908 || write(ends[1], (void *)(p + 1), 4) != 4) return 2;
    if (mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED || p[2] != 0x0b0a0908) return 3;
    volatile uint8_t *q = (void *)0x50;
    asm("" : "+r"(q));
    return *q;
}
"""


@both
def test_pages_that_cannot_be_mapped_have_devices_as_well(tmp_path: Path, engine: str) -> None:
    """A device may be at the lowest addresses, which no process may map; beside it is the program's fault."""
    run = pagetrap(engine, tmp_path, "run", ["-q", "--device", "models.py:Pattern@range:0x10+0x40"], [program(LOW)])
    assert (run.status, run.complaints) == (-11, "")
    assert [(a.letter, a.offset) for a in run.accesses] == [("W", 4), ("R", 8), ("R", 4), ("R", 8)]


@both
def test_the_heap_does_not_grow_into_a_device(tmp_path: Path, engine: str) -> None:
    """Where a device is, the break goes no further, and malloc has other memory."""
    need_program("setarch", "util-linux")
    body = r"""
        char *end = sbrk(0);
        uintptr_t place = strtoul(argv[1], 0, 16);
        volatile uint8_t *p = (void *)place;
        if ((uintptr_t)end < place && (brk((void *)(place + 0x2000)) != -1 || sbrk(0) != end)) return 1;
        for (int i = 0; i < 200; i++) {
            char *memory = malloc(10000);
            memset(memory, 0xaa, 10000);
            if ((uintptr_t)memory < place + 0x1000 && place < (uintptr_t)memory + 10000) return 2;
        }
        return p[5] != 5;"""
    path = program(BEGUN + body + "}", "-no-pie", "-static")
    place = 0x500000 if engine == "ptrace" else 0x400000400000
    options = ["-q", "--device", f"models.py:Pattern@range:{place:#x}+0x1000"]
    command = [*(["setarch", "-R"] if engine == "ptrace" else []), path, f"{place:x}"]
    run = pagetrap(engine, tmp_path, "run", options, command)
    assert (run.status, run.complaints) == (0, "")


@both
def test_a_hundred_devices(tmp_path: Path, engine: str) -> None:
    """As many devices as a chip has fit in, each at its place; a buffer in any of them is noticed."""
    options = ["-q"]
    places = [0x40000000 + 0x400 * n for n in range(60)] + [0x50000000 + 0x100000 * n for n in range(40)]
    for place in places:
        options += ["--device", f"models.py:Pattern@range:{place:#x}+0x100"]
    body = """for (int i = 1; i < argc; i++) {
        volatile uint32_t *p = (void *)strtoul(argv[i], 0, 16);
        if (p[1] != 0x07060504 || write(ends[1], (void *)(p + 2), 4) != 4) return 1; }
        return 0;"""
    run = pagetrap(engine, tmp_path, "run", options, [program(BEGUN + body + "}"), *map(hex, places)])
    assert (run.status, run.complaints) == (0, "")
    assert [a.address for a in run.accesses] == [place + at for place in places for at in (4, 8)]


@both
def test_code_is_not_executed_in_a_device(tmp_path: Path, engine: str) -> None:
    """A jump to a device is the program's own fault, as one to where nothing is."""
    body = 'void (*f)(void) = (void *)0x40000000; asm("" : "+r"(f)); f(); return 0;'
    run = pagetrap(
        engine, tmp_path, "run", ["--device", "models.py:Pattern@range:0x40000000+0x400"], [program(BEGUN + body + "}")]
    )
    assert (run.status, run.accesses) == (-11, [])


UNMAPPED: Final = "return mincore((void *)P, 4096, bytes) != -1 || errno != ENOMEM ? 9 : P[4]; }"


@both
def test_watching_where_nothing_is_mapped(tmp_path: Path, engine: str) -> None:
    """Without a device there is nothing to answer: the fault is the program's, and the end says what would help."""
    run = pagetrap(engine, tmp_path, "trace", ["--range", "0x40000000+0x400"], [program(BEGUN + UNMAPPED)])
    assert (run.status, run.accesses) == (-11, [])
    assert (
        "the program used nothing that matches addresses 0x40000000..0x40000400: it had nothing mapped there, and an "
        "access was its own SIGSEGV; a device would answer there (pagetrap run --device "
        "FILE.py:CLASS@range:0x40000000+0x400, or `map` with a device)" in run.complaints
    )


@both
def test_watching_beside_a_device(tmp_path: Path, engine: str) -> None:
    """A range without a device has no more answer where its page has one beside it."""
    options = ["--device", "models.py:Pattern@range:0x40000000+0x400", "--range", "0x40000800+0x100"]
    run = pagetrap(engine, tmp_path, "run", options, [program(BEGUN + "return answers(4) ? P[0x804] : 1; }")])
    assert (run.status, [a.offset for a in run.accesses]) == (-11, [4])
    assert "matches addresses 0x40000800..0x40000900: it had nothing mapped there" in run.complaints


@both
def test_a_device_over_code(tmp_path: Path, engine: str) -> None:
    """A device over the program's own code is refused as every target there is."""
    path = program(BEGUN + "return 0; }", "-no-pie", "-static")
    run = pagetrap(engine, tmp_path, "run", ["--device", "models.py:Pattern@range:0x401000+0x1000"], [path])
    assert run.status == 125
    assert "in a mapping that is trapped: trap only mappings of data" in run.complaints


def test_a_device_over_what_pagetrap_needs(tmp_path: Path) -> None:
    """A device over memory that the engine needs is refused, and the message says what is there."""
    path = program(BEGUN + "return 0; }")
    everywhere = ["--device", "models.py:Pattern@range:0x7f0000000000+0xffffffffff"]
    run = pagetrap("inprocess", tmp_path, "run", everywhere, [path])
    assert (run.status, "are not the program's alone: pagetrap has memory at" in run.complaints) == (125, True)
    run = pagetrap("ptrace", tmp_path, "run", everywhere, [path])
    assert run.status == 125
    assert (
        "a device cannot answer at addresses 0x7f0000000000..0x7fffffffffff: the kernel has code at" in run.complaints
    )
