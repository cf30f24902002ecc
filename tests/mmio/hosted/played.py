"""A program that does what a file says: accesses to a device, and what may happen between and during them.

`PLAYER` is the program, `PLAYED` a Python program that runs it with signals, frames and direct calls, each in a process
of its own, and prints all that can be seen of the three as one line of JSON.
"""

import struct
from typing import Any, Final

from hypothesis import strategies as st

PLAYER = """
#include <ucontext.h>
struct step { uint8_t kind, width, place, more; uint32_t value; };
#define NEAR(type, p) (*(volatile type *)((uintptr_t)(p) + 0x10000))
#define ACCESSORS(bits) \\
    __attribute__((noinline)) uint##bits##_t read##bits(uintptr_t p) { return NEAR(uint##bits##_t, p); } \\
    __attribute__((noinline)) void write##bits(uintptr_t p, uint##bits##_t v) { NEAR(uint##bits##_t, p) = v; }
ACCESSORS(8) ACCESSORS(16) ACCESSORS(32) ACCESSORS(64)
#define VECTORS(name, move) \\
    __attribute__((noinline)) void read_##name(uintptr_t p, void *v) \\
    { __asm__ volatile(move " 0x10000(%0),%%xmm9; movdqu %%xmm9,(%1)" : : "r"(p), "r"(v) : "xmm9", "memory"); } \\
    __attribute__((noinline)) void write_##name(uintptr_t p, void *v) \\
    { __asm__ volatile("movdqu (%1),%%xmm9; " move " %%xmm9,0x10000(%0)" : : "r"(p), "r"(v) : "xmm9", "memory"); }
VECTORS(anywhere, "movups") VECTORS(aligned, "movaps")
static volatile uint32_t *device;
static volatile int handled;
static sigjmp_buf back;
static void on_signal(int number) { handled++; printf("signal %x\\n", device[0x40]); }
static void on_fault(int number, siginfo_t *info, void *context) { siglongjmp(back, info->si_code); }
static void play(struct step *s) {
    uintptr_t p = (uintptr_t)device + 0x100 + 8 * s->place - 0x10000;
    uint64_t wide = s->value * 0x0123456789abcdefULL, vector[2] = {wide, ~wide};
    switch (s->kind + (s->width < 16 || s->kind > 1 ? 0 : s->width == 16 ? 7 : 9)) {
    case 7: read_anywhere(p, vector), printf("read %lx %lx\\n", vector[0], vector[1]); break;
    case 8: write_anywhere(p, vector); break;
    case 9: read_aligned(p, vector), printf("read %lx %lx\\n", vector[0], vector[1]); break;
    case 10: write_aligned(p, vector); break;
    case 0:
        printf("read %lx\\n", s->width == 1 ? read8(p) : s->width == 2 ? read16(p) : s->width == 4 ? read32(p)
            : read64(p));
        break;
    case 1:
        if (s->width == 1) write8(p, wide);
        else if (s->width == 2) write16(p, wide);
        else if (s->width == 4) write32(p, wide);
        else write64(p, wide);
        break;
    case 2:
        printf("in %x\\n", s->width == 1 ? inb(0x80 + s->place) : s->width == 2 ? inw(0x80 + s->place)
            : inl(0x80 + s->place));
        break;
    case 3:
        if (s->width == 1) outb(wide, 0x80 + s->place);
        else if (s->width == 2) outw(wide, 0x80 + s->place);
        else outl(wide, 0x80 + s->place);
        break;
    case 4: outb(s->value, 0x510); break;
    case 5: mprotect((void *)device, 4096, s->value & 3); break;
    case 6:
        munmap((void *)device, 4096);
        if (mmap((void *)device, 4096, 3, MAP_SHARED | MAP_FIXED, s->value, 0) == MAP_FAILED) puts("not mapped");
    }
}
int main(int argc, char **argv) {
    device = map(argv[1], PROT_READ | PROT_WRITE);
    if (ioperm(0x80, 8, 1) || ioperm(0x510, 1, 1)) return 1;
    setvbuf(stdout, 0, _IONBF, 0);
    int file = open(argv[2], O_RDONLY), card = open(argv[1], O_RDWR);
    signal(SIGUSR1, on_signal);
    sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER}, 0);
    struct step s;
    while (read(file, &s, sizeof s) == sizeof s) {
        if (s.kind == 6) s.value = card;
        int fault = sigsetjmp(back, 1);
        if (fault) printf("fault %d\\n", fault); else play(&s);
    }
    printf("%d\\n", handled);
    return 0;
}
"""

PLAYED: Final = """
import enum, json, os, signal, sys
from mmio.errors import NoRegister
from mmio.hosted import Host, patching

def called_directly():
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name not in ("enter", "on_stub", "on_access"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "enter"

class Level(enum.IntEnum):
    HIGH = 7

class Card:
    length = 4096
    def __init__(self):
        self.data, self.next, self.direct = bytearray(4096), [], 0
    def read(self, offset, width):
        self.direct += called_directly()
        return self.answer(int.from_bytes(self.data[offset:offset + width], "little"), offset, width)
    def write(self, offset, width, value):
        self.direct += called_directly()
        self.data[offset:offset + width] = value.to_bytes(width, "little")
        self.answer(value, offset, width)
    def answer(self, value, offset, width):
        what = self.next.pop(0) if self.next else "value"
        if what == "signal":
            os.kill(os.getpid(), signal.SIGUSR1)
        if what == "hole":
            raise NoRegister(self, offset, width)
        if what in ("ValueError", "LookupError"):
            raise {"ValueError": ValueError, "LookupError": LookupError}[what](f"at {offset:#x}")
        return {"true": True, "high": Level.HIGH, "none": None, "-1": -1, "wide": 1 << 64}.get(what, value)

class Control:
    watch = cover = None
    def read(self, offset, width):
        return 0
    def write(self, offset, width, value):
        what, space, card = SAID[value], host._loop._process.space, cards[0]
        region = next((each for each in space.memory if each.device is card), None)
        port = next(each for each in space.ports if each.device is cards[0])
        if what in ("on", "off"):
            host.trace.enabled = what == "on"
        elif what == "attach" and not host.trace._sinks:
            host.trace.attach(sink)
        elif what == "detach" and host.trace._sinks:
            host.trace.detach(sink)
        elif what == "watch" and self.watch is None and region is not None:
            self.watch = space.watch(region.start + 0x104, 8, "access", call=lambda hit: hits.append(hit.new.hex()))
            self.ports = space.watch_ports(0x81, 2, "access", call=lambda hit: hits.append("port"))
        elif what == "unwatch" and self.watch is not None:
            self.watch.close()
            self.ports.close()
            self.watch = None
        elif what == "cover" and self.cover is None and region is not None:
            self.cover = [space.map(region.start + 0x108, 8, cards[1], "cover", priority=1),
                          space.map_ports(0x82, 2, cards[1], "cover", priority=1)]
        elif what == "uncover" and self.cover is not None:
            [space.unmap(each) for each in self.cover]
            self.cover = None
        elif what == "exchange" and region is not None:
            cards.reverse()
            space.exchange(region, cards[0])
            space.exchange(port, cards[0])
        elif not isinstance(what, str):
            cards[0].next = list(what)

class Sink:
    def write(self, record):
        sunk.append(f"{record.letter} {record.offset} {record.value}" if hasattr(record, "letter") else
                    type(record).__name__)

program, card, said, *files = sys.argv[1:]
SAID = json.loads(said)
hits, sunk, sink, cards = [], [], Sink(), [Card(), Card()]

def play(steps, faults, frames):
    global host
    os.dup2(os.open(steps + ".said", os.O_RDWR | os.O_CREAT | os.O_TRUNC), 1)
    patching.FAULTS, patching.ONLY_FRAMES = faults, frames
    host = Host()
    host.unmapped = "ones"
    host.map_file(card, cards[0], name="card")
    host.map_ports(0x80, 8, cards[0], "card")
    host.map_ports(0x510, 1, Control(), "control")
    host.spawn([program, card, steps])
    try:
        status = host.run()
    except Exception as error:
        status = type(error).__name__
    rows = [(a.letter, a.space, a.offset, a.width, a.value, a.region, a.text, a.flags) for a in host.trace]
    said, data = open(steps + ".said").read(), [bytes(each.data).hex() for each in cards]
    json.dump([sum(each.direct for each in cards), said, status, rows, hits, sunk, data], open(steps + ".result", "w"))

for steps in files:  # each in a process of its own
    outcomes = []
    for way in (1 << 60, True), (1, True), (1, False):
        pid = os.fork()
        if not pid:
            try:
                play(steps, *way)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0, way
        outcomes.append(json.load(open(steps + ".result")))
    print(json.dumps(outcomes))
"""

SAID: Final[list[Any]] = [
    *("on", "off", "attach", "detach", "watch", "unwatch", "cover", "uncover", "exchange"),
    *(["value", "signal"], ["signal", "hole"], ["hole"], ["true"], ["high"], ["signal", "signal", "true"]),
]
LAST: Final[list[Any]] = [["none"], ["-1"], ["wide"], ["ValueError"], ["value", "LookupError"], ["value"]]
_ACCESS = st.tuples(st.integers(0, 3), st.sampled_from([1, 2, 4, 8]), st.integers(0, 3), st.integers(0, 1 << 32))
_VECTOR = st.tuples(st.integers(0, 1), st.sampled_from([16, 17]), st.integers(0, 3), st.integers(0, 1 << 32))
_CHANGE = st.tuples(st.just(4), st.just(1), st.just(0), st.integers(0, len(SAID) - 1))
_MAPPING = st.tuples(st.sampled_from([5, 6]), st.just(1), st.just(0), st.sampled_from([1, 3, 3]))
STEPS = st.lists(
    st.one_of(
        st.tuples(_ACCESS | _VECTOR, st.integers(1, 6)), st.tuples(_CHANGE, st.just(1)), st.tuples(_MAPPING, st.just(1))
    ),
    min_size=20,
    max_size=120,
)


def packed(steps: list[tuple[tuple[int, ...], int]], last: int) -> bytes:
    """Return the file of a sequence: each instruction once, the steps, and how it ends."""
    kinds = [(kind, width) for kind in range(4) for width in (1, 2, 4, 8)] + [(0, 16), (1, 16), (0, 17), (1, 17)]
    each = [(*kind, 0, 5) for kind in kinds for _ in range(4)]
    whole = [*each, *(step for step, times in steps for _ in range(times)), (4, 1, 0, len(SAID) + last), *each]
    return b"".join(struct.pack("<4BI", *step[:3], 0, step[3] & 0xFFFFFFFF) for step in whole)
