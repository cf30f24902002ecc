"""`pagetrap run --svd`: interrupts of a program on the chip that it is for, and models that a function puts there."""

import re
from pathlib import Path

import pytest

from mmio.cortex_m.intrinsics import INCLUDE
from mmio.cortex_m.program_port import PROGRAM_BASE, ProgramPort
from mmio.formats import JsonLinesReader
from mmio.records.events import Mark
from tests.mmio.boards.conftest import CHIP
from tests.mmio.commands.process import pagetrap
from tests.mmio.ptrace.programs import compiled, program_32

PRELUDE = r"""
#include <pagetrap_cmsis.h>
#include <pagetrap_run.h>
#include <stdio.h>
#include <stdlib.h>
#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
static void enable(int irq, int priority) {
    *(volatile uint8_t *)(0xE000E400ul + irq) = priority << 4;
    REG(0xE000E100 + irq / 32 * 4) = 1u << irq % 32;
}
"""
SOURCE = (
    PRELUDE
    + r"""
static char order[200];
static volatile int ticks;
static void note(char what) { order[strlen(order)] = what; }
void SysTick_Handler(void) { ticks++; }
void TIMER_UP_IRQHandler(void) { note('t'); pagetrap_raise_irq(37); pagetrap_raise_irq(2); note('T'); }
void TIMER_CC_IRQHandler(void) { note('c'); }
void USART1_IRQHandler(void) { note('u'); note('0' + __get_IPSR() % 10); note('U'); }
void USART2_IRQHandler(void) { note('r'); printf("%c", (int)REG(0x40011404)); note('R'); }
int main(void) {
    pagetrap_mark("priorities \xc3\xa4");
    enable(1, 8), enable(37, 4), enable(2, 8), enable(38, 2);
    pagetrap_raise_irq(1);  /* 37 interrupts it, 2 follows it */
    note(' ');
    __disable_irq();
    pagetrap_raise_irq(2), pagetrap_raise_irq(37);
    note('-');
    __enable_irq();  /* the higher priority first */
    note(' ');
    REG(0x4001140c) = 'x';  /* the model raises its line at once, and until its data are read */
    printf(" %s\n", order);
    REG(0xE000E014) = 15999, REG(0xE000E018) = 0, REG(0xE000E010) = 7;
    while (ticks < 3) __WFI();
    uint64_t before = pagetrap_now_ns();
    pagetrap_advance_us(100000);
    printf("%d ticks, %u ms\n", ticks, (unsigned)((pagetrap_now_ns() - before) / 1000000));
    return 0;
}
"""
)
PRINTED = "x tu3UTc -u3Uc rR\n103 ticks, 100 ms\n"
MODELS = """
from mmio import Device, line, register

class Uart(Device):
    data = register(4)
    sent = register(0xC)
    irq = line()

    @sent.written
    def _send(self, old, new):
        self.data.value = new
        self.irq.set(True)

    @data.reads
    def _take(self):
        self.irq.set(False)
        return self.data.value

def connect(board):
    assert board.core.frequency and board.clock.now == 0 and "USART1" in board.peripherals
    board.replace("USART2", Uart())
    board.add("EXTRA", 0x50000000, Uart(), irq=7)

def wrong(board):
    board.replace("USRT2", Uart())

def late(board):
    return board.USRT2
"""


def built(source: str, *flags: str) -> str:
    """Compile a program with the headers; return its path."""
    return compiled(source, f"-I{INCLUDE}", "-O1", "-g", *flags)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "chip.svd").write_text(CHIP)
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path


CHIP_AND_MODELS = ("--svd", "chip.svd", "--board", "models.py:connect")


@pytest.mark.parametrize(("engine", "flags"), [("ptrace", ()), ("inprocess", ()), ("ptrace", ("-m32",))])
def test_handlers_run_by_their_priorities(directory: Path, engine: str, flags: tuple[str, ...]) -> None:
    """Also one within another, those of the core, of models, and while time passes; marks are in the trace."""
    arguments = ("run", "-q", f"--engine={engine}", "-o", "run.jsonl", *CHIP_AND_MODELS)
    done = pagetrap(directory, *arguments, "--", built(SOURCE, *flags))
    assert (done.returncode, done.stdout, done.stderr) == (0, PRINTED, "")
    marks = [event.text for event in JsonLinesReader(directory / "run.jsonl").records() if isinstance(event, Mark)]
    assert marks == ["priorities ä"]


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_a_program_that_leaves_one_takes_the_next(directory: Path, engine: str) -> None:
    """The second handler is called when the first has returned, not on top of it: the stack does not grow."""
    source = (
        PRELUDE
        + """
        static char *frames[100];
        static int calls;
        void USART2_IRQHandler(void) {
            frames[calls++] = __builtin_frame_address(0);
            if (calls < 100) pagetrap_raise_irq(38);
        }
        int main(void) {
            enable(38, 2);
            pagetrap_raise_irq(38);
            for (int i = 1; i < calls; i++) if (frames[i] != frames[0]) return 1;
            return calls;
        }"""
    )
    done = pagetrap(directory, "run", "-q", f"--engine={engine}", "--svd", "chip.svd", "--", built(source))
    assert (done.returncode, done.stderr) == (100, "")


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_a_handler_that_acknowledges_nothing(directory: Path, engine: str) -> None:
    """The run ends, and says which interrupt it is about."""
    source = (
        PRELUDE + "void USART2_IRQHandler(void) { }\nint main(void) { enable(38, 2); REG(0x4001140c) = 1; return 0; }"
    )
    done = pagetrap(directory, "run", "-q", f"--engine={engine}", *CHIP_AND_MODELS, "--", built(source))
    assert done.returncode == 125
    assert "interrupt 38 (USART2) is still asserted after 1000 calls of its handler" in done.stderr


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_a_program_without_the_handler(directory: Path, engine: str) -> None:
    """It says which function to define."""
    source = PRELUDE + "int main(void) { enable(38, 2); pagetrap_raise_irq(38); return 0; }"
    done = pagetrap(directory, "run", "-q", f"--engine={engine}", "--svd", "chip.svd", "--", built(source))
    assert done.returncode == 125
    assert "interrupt 38 (USART2) is pending and enabled, and the program has no handler" in done.stderr
    assert "define void USART2_IRQHandler(void)" in done.stderr


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_a_program_that_takes_no_interrupts(directory: Path, engine: str) -> None:
    """It continues, with one line that says what to include."""
    source = PRELUDE.replace("#include <pagetrap_run.h>", "#include <stdint.h>") + (
        "int main(void) { enable(15 + 23, 2); for (int i = 0; i < 3; i++) REG(0xE000EF00) = 38; return 4; }"
    )
    done = pagetrap(directory, "run", "-q", f"--engine={engine}", "--svd", "chip.svd", "--", built(source))
    assert done.returncode == 4
    assert done.stderr.count("#include <pagetrap_run.h>") == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--board", "models.py:connect"), 2, "--board puts models into the chip of --svd FILE, which was not given"),
        (("--svd", "chip.svd", "--board", "models.py"), 2, "expected FILE.py:FUNCTION"),
        (("--svd", "chip.svd", "--board", "models.txt:connect"), 2, "expected a Python file"),
        (("--svd", "chip.svd", "--board", "nothing.py:connect"), 125, "nothing.py: no such file"),
        (("--svd", "chip.svd", "--board", "models.py:conect"), 125, "no function 'conect'; did you mean connect?"),
        (
            ("--svd", "chip.svd", "--board", "models.py:wrong"),
            125,
            "no peripheral 'USRT2'; did you mean 'USART1' or 'USART2'?",
        ),
        (
            ("--svd", "chip.svd", "--board", "models.py:late"),
            125,
            "no peripheral 'USRT2'; did you mean 'USART1' or 'USART2'?",
        ),
    ],
)
def test_what_is_no_board(directory: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    """Each says what is wrong, before the program begins."""
    done = pagetrap(directory, "run", *arguments, "--device", "models.py:Uart@range:0x1000+0x10", "--", "/bin/true")
    assert done.returncode == status
    assert said in done.stderr
    assert done.stderr.count("Traceback") == ("failed" in done.stderr)  # the model's own, from its first line on


def test_the_header_has_the_numbers_of_the_registers() -> None:
    """PAGETRAP_RUN and its offsets are those of the device."""
    text = (INCLUDE / "pagetrap_run.h").read_text()
    found = {name: int(offset, 16) for name, offset in re.findall(r"#define PAGETRAP_RUN_(\w+) (0x\w+)", text)}
    assert found == {place.name: place.offset for place in ProgramPort.layout.places}
    assert f"#define PAGETRAP_RUN {PROGRAM_BASE:#X}UL".replace("0X", "0x") in text


@pytest.mark.parametrize("flags", [("-std=c99", "-D_GNU_SOURCE"), ("-std=gnu2x",), ("-std=gnu11", "-m32")])
def test_the_header_in_strict_code(flags: tuple[str, ...]) -> None:
    """It compiles without a warning, included twice, in any C."""
    source = '#include <pagetrap_run.h>\n#include "pagetrap_run.h"\nint main(void) { pagetrap_mark("x"); return 0; }'
    strict = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-error=cpp")
    assert compiled(source, f"-I{INCLUDE}", *strict, *flags)


DMA = (
    PRELUDE
    + r"""
static char from[] = "copied by the chip", to[32];
#define STREAM(number, name) REG(0x50001010 + 0x18 * (number) + (name))
#define REGISTER(pointer) ((uint32_t)(uintptr_t)(pointer))
static void start(int stream, uint32_t peripheral, const void *memory, uint32_t items, uint32_t control)
{
    STREAM(stream, 0x8) = peripheral;
    STREAM(stream, 0xC) = REGISTER(memory);
    STREAM(stream, 0x4) = items;
    STREAM(stream, 0x0) = control | 1;
    __asm__ volatile("" ::: "memory");
}
int main(void)
{
    start(0, REGISTER(from), to, sizeof from, 0x680);  /* memory to memory */
    if (strcmp(to, from) || !(REG(0x50001000) & 0x20)) return 1;
    start(1, 0x4001140C, from, 1, 0x50040);  /* to a peripheral, when that asks */
    pagetrap_mark("request");
    REG(0x50002000) = 1;
    if (REG(0x40011404) != 'c') return 2;
    start(2, REGISTER(from), (void *)0x10, 4, 0x680);  /* to where the program has nothing */
    return REG(0x50001000) & 0x80000 ? 0 : 3;
}
"""
)
DMA_MODELS = """
from mmio import Device, register
from mmio.models import Stm32Dma
from models import Uart

class Requests(Device):
    stream = register(0)

    @stream.written
    def _request(self, old, new):
        self.dma.request(new)

def connect(board):
    board.replace("USART2", Uart())
    requests = Requests()
    requests.dma = Stm32Dma((board.space.read, board.space.write))
    board.add("DMA", 0x50001000, requests.dma)
    board.add("REQUESTS", 0x50002000, requests)
"""


@pytest.mark.parametrize(
    ("engine", "flags"), [("ptrace", ("-no-pie",)), ("inprocess", ("-no-pie",)), ("ptrace", ("-m32",))]
)
def test_dma_of_the_chip(directory: Path, engine: str, flags: tuple[str, ...]) -> None:
    """A DMA controller moves the program's memory, to other memory and to registers of other peripherals."""
    (directory / "dma.py").write_text(DMA_MODELS)
    board = ("--svd", "chip.svd", "--board", "dma.py:connect")
    done = pagetrap(directory, "run", "-q", f"--engine={engine}", *board, "--", built(DMA, *flags))
    assert (done.returncode, done.stderr) == (0, "")


def test_32_bit_programs_without_a_library_run_too(directory: Path) -> None:
    """The chip is there for any program; this one takes no interrupts."""
    source = "START { volatile unsigned *p = (void *)0x40011000; leave(*p); }"
    assert pagetrap(directory, "run", "-q", "--svd", "chip.svd", "--", program_32(source)).returncode == 0xC0
