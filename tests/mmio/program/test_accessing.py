"""DMA into the memory of the program that accesses a device."""

from pathlib import Path

import pytest

from mmio import Device, register
from mmio.device.memory import ProgramMemoryError
from mmio.hosted import Host
from mmio.program.targeting import Targeting
from mmio.ptrace import Tracer
from tests.mmio.commands.process import pagetrap
from tests.mmio.ptrace.programs import program, run


class Copier(Device):
    """A device that stores what it reads, upside down."""

    source = register(0x00, width=8)
    target = register(0x08, width=8)
    count = register(0x10)
    go = register(0x14)

    def __init__(self) -> None:
        self.problem: ProgramMemoryError | None = None

    @go.written
    def _copy(self, old: int, new: int) -> None:
        try:
            data = self.memory.read(self.source.value, self.count.value)
            self.memory.write(self.target.value, data[::-1])
        except ProgramMemoryError as error:
            self.problem = error
            self.go.value = 2


DRIVER = """
static volatile uint64_t *card;
static int copy(const void *from, void *to, uint32_t count) {
    card[0] = (uintptr_t)from;
    card[1] = (uintptr_t)to;
    ((volatile uint32_t *)card)[4] = count;
    ((volatile uint32_t *)card)[5] = 1;
    return ((volatile uint32_t *)card)[5];
}
"""
MAIN = 'int main(void) { card = (void *)map("/dev/uio0", PROT_READ | PROT_WRITE); '


def _traced(body: str, card: Device, before: str = "") -> int:
    tracer = Tracer()
    tracer.map_file("/dev/uio0", card)
    return run(tracer, program(DRIVER + before + MAIN + body + "}")).status


def test_reads_and_writes_the_program() -> None:
    """A device copies from one buffer of the program to another, at the program's addresses."""
    body = """char from[] = "abcdefgh", to[9] = "", *heap = malloc(1 << 21), *other = malloc(1 << 21);
        if (copy(from, to, 8) != 1 || strcmp(to, "hgfedcba")) return 1;
        memset(heap, 1, 1 << 21); heap[0] = 7;
        if (copy(heap, other, 1 << 21) != 1 || other[(1 << 21) - 1] != 7 || other[0] != 1) return 2;
        return 0;"""
    assert _traced(body, Copier()) == 0


def test_wrong_address() -> None:
    """A wrong address is an error that names device, address and length, and no crash."""
    card = Copier()
    body = 'char to[8]; return copy((void *)0x10, to, 8) != 2 || copy(to, (void *)"text", 2) != 2;'
    assert _traced(body, card) == 0
    assert card.problem is not None
    assert str(card.problem).startswith(f"write of 2 bytes at address {card.target.value:#x} by Copier: process ")
    assert (card.problem.address, card.problem.length, card.problem.done) == (card.target.value, 2, 0)


def test_process_of_the_access() -> None:
    """Of several processes it is the memory of the one whose access it is."""
    body = """char *buffer = malloc(8); strcpy(buffer, "parent");
        int pipes[2], status; char end; pipe(pipes);
        pid_t child = fork();
        if (!child) { strcpy(buffer, "CHILD!"); if (copy(buffer, buffer, 6) != 1) _exit(1);
            _exit(strcmp(buffer, "!DLIHC") != 0); }
        wait(&status);
        if (status) return 1;
        return copy(buffer, buffer, 6) != 1 || strcmp(buffer, "tnerap");"""
    assert _traced(body, Copier()) == 0


CHILDREN = """char *buffer = malloc(8), *other = malloc(8);
        strcpy(buffer, "parent");
        pid_t child = fork();
        if (!child) { strcpy(buffer, "CHILD!"); if (copy(buffer, buffer, 6) != 1) _exit(1);
            _exit(strcmp(buffer, "!DLIHC") || copy((void *)0x10, other, 4) != 2); }
        int status; wait(&status);
        if (status) return 1;
        return copy(buffer, buffer, 6) != 1 || strcmp(buffer, "tnerap");"""


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_by_each_engine(tmp_path: Path, engine: str) -> None:
    """Both engines give a device the memory of a program and of its children."""
    (tmp_path / "card.py").write_text("from tests.mmio.program.test_accessing import Copier\n")
    done = pagetrap(
        tmp_path,
        *("run", "-q", f"--engine={engine}", "--device", "card.py:Copier@/dev/uio0", "--"),
        program(DRIVER + MAIN + CHILDREN + "}"),
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_thread_that_has_ended() -> None:
    """A process has its memory as long as one of its threads lives, also when that which accessed the device ended."""
    card = Copier()
    body = """pthread_t thread; char *page = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); strcpy(page, "ab");
        pthread_create(&thread, 0, work, page); pthread_join(thread, 0);
        return copy(page, page, 2) != 1 || strcmp(page, "ab");"""
    before = "static void *work(void *page) { copy(page, page, 2); return 0; }"
    assert _traced(body, card, before) == 0


def test_page_of_a_traced_range() -> None:
    """A buffer in the page of a traced range is memory as any other."""
    tracer, card = Tracer(), Copier()
    tracer.map_file("/dev/uio0", card)
    tracer.map(0x7E_0000_0100, 16)
    body = """char *page = mmap((void *)0x7e00000000, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        strcpy(page + 0x104, "abcd"); strcpy(page + 0xffe, "efgh");
        if (copy(page + 0x104, page + 0x200, 4) != 1 || strcmp(page + 0x200, "dcba")) return 1;
        if (copy(page + 0xffe, page + 0xffd, 4) != 1 || memcmp(page + 0xffd, "hgfe", 4)) return 2;
        return mprotect(page, 4096, PROT_READ) || copy(page, page + 4096, 4) != 1 || copy(page + 4096, page, 4) != 2;"""
    assert run(tracer, program(DRIVER + MAIN + body + "}")).status == 0


def test_registers_are_no_memory() -> None:
    """Where a device answers there is no memory of the program."""
    tracer, card = Tracer(), Copier()
    tracer.map(0x7E_0000_0100, 0x18, card)
    body = """int main(void) { mmap((void *)0x7e00000000, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        card = (void *)0x7e00000100; char to[8];
        char *at = (void *)card;
        return copy(at, to, 8) != 2 || copy(at - 4, to, 8) != 2 || copy(at - 8, to, 8) != 1;
    }"""
    assert run(tracer, program(DRIVER + body)).status == 0


@pytest.mark.parametrize("engine", [Tracer, Host])
def test_after_the_end(engine: type[Targeting]) -> None:
    """A device that continues after the program's end finds none, and says so."""
    card = Copier()
    targeting = engine()
    targeting.map_file("/dev/uio0", card)
    with pytest.raises(ProgramMemoryError, match="by Copier: there is no program whose memory it could be"):
        card.memory.read(0x1000, 4)
    if isinstance(targeting, Tracer):
        assert run(targeting, program(DRIVER + MAIN + "char a[4]; return copy(a, a, 4) != 1; }")).status == 0
        with pytest.raises(
            ProgramMemoryError, match="read of 4 bytes at address 0x1000 by Copier: there is no program"
        ):
            card.memory.read(0x1000, 4)
        with pytest.raises(ProgramMemoryError, match="write of 1 byte at address"):
            card.memory.write(0x1000, b"x")


def test_memory_that_was_given() -> None:
    """A device that has been given other memory keeps it."""

    class Own:
        """Memory of zeros."""

        def read(self, address: int, length: int) -> bytes:
            """Return zeros."""
            return bytes(length)

        def write(self, address: int, data: object) -> None:
            """Do nothing."""

    card, own = Copier(), Own()
    card.memory = own
    Tracer().map_file("/dev/uio0", card)
    assert card.memory is own
