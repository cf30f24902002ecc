"""The intrinsics of CMSIS as registers, and the header that has them as accesses."""

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from ctypes import c_int16, c_int32, c_uint8, c_uint16, c_uint32, c_void_p
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mmio
from mmio.cortex_m.core import Core, SleepForever
from mmio.cortex_m.intrinsics import BASE, INCLUDE, BreakpointHit, Intrinsics
from mmio.device.device import Device
from mmio.device.register import register
from tests.native import compile_c
from tests.needs import need

HEADER: Final = INCLUDE / "pagetrap_cmsis.h"
WORDS: Final = st.integers(0, 0xFFFF_FFFF)
INTS: Final = st.integers(-(1 << 31), (1 << 31) - 1)

# Every intrinsic, used once, in code that C and C++ have in common; as strict as a compiler is.
LIBRARY: Final = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
ALL: Final = r"""
__PACKED_STRUCT packed { uint8_t a; uint32_t b; };
typedef struct { uint8_t a; } __PACKED byte;
static uint32_t aligned __ALIGNED(16);
__WEAK void default_handler(void);
__WEAK void default_handler(void) { for (;;) __NOP(); }
__NO_RETURN void stop(void);
__NO_RETURN void stop(void) { for (;;) __WFI(); }
static void kept(void) __USED;
static void kept(void) { }
__STATIC_INLINE uint32_t first(const uint32_t *__RESTRICT p) { return *p; }
__STATIC_FORCEINLINE uint32_t second(uint32_t x) { return x; }

uint32_t all(uint32_t x, volatile uint8_t *b, volatile uint16_t *h, volatile uint32_t *w);
uint32_t all(uint32_t x, volatile uint8_t *b, volatile uint16_t *h, volatile uint32_t *w)
{
	uint32_t primask = __get_PRIMASK();

	__disable_irq(); __enable_irq(); __set_PRIMASK(primask);
	__disable_fault_irq(); __enable_fault_irq(); __set_FAULTMASK(__get_FAULTMASK());
	__set_BASEPRI(__get_BASEPRI()); __set_BASEPRI_MAX(x << 4);
	__set_CONTROL(__get_CONTROL()); __set_MSP(__get_MSP()); __set_PSP(__get_PSP()); __set_FPSCR(__get_FPSCR());
	__WFI(); __WFE(); __SEV(); __NOP(); __ISB(); __DSB(); __DMB(); __BKPT(3); __COMPILER_BARRIER();
	x += __get_IPSR() + __get_xPSR() + __get_APSR();
	x = __REV(x) + __REV16(x) + (uint16_t)__REVSH((int16_t)x) + __ROR(x, 3) + __RBIT(x) + (uint32_t)__CLZ(x);
	x += (uint32_t)__SSAT((int32_t)x, 8) + __USAT((int32_t)x, 8);
	do { x += __LDREXB(b); } while (__STREXB(1, b));
	do { x += __LDREXH(h); } while (__STREXH(1, h));
	do { x += __LDREXW(w); } while (__STREXW(1, w));
	__CLREX();
	__STRBT(__LDRBT(b), b); __STRHT(__LDRHT(h), h); __STRT(__LDRT(w), w);
	__UNALIGNED_UINT16_WRITE((uintptr_t)w + 1, x); __UNALIGNED_UINT32_WRITE((uintptr_t)w + 1, x);
	x += __UNALIGNED_UINT16_READ((uintptr_t)w + 1) + __UNALIGNED_UINT32_READ((uintptr_t)w + 1);
	return x + first(&aligned) + second(x) + (uint32_t)sizeof(struct packed) + (uint32_t)sizeof(byte);
}
"""

STRICT: Final = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror")


def compiles(source: str, language: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Compile C or C++ to nothing, with the header."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    header = ("-I", str(INCLUDE), "-include", HEADER.name)
    command = [compiler, "-x", language, *STRICT, *flags, *header, "-S", "-o", "/dev/null", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("optimised", ["-O0", "-O2"])
@pytest.mark.parametrize("standard", ["c99", "c11", "gnu17", "c++17"])
def test_the_header_compiles_without_a_warning(standard: str, optimised: str) -> None:
    """As C and as C++, next to the C library's headers, with all warnings as errors."""
    language = "c++" if "++" in standard else "c"
    if language == "c++":
        need(shutil.which("g++"), "a C++ compiler (apt-get install g++)")
    done = compiles(LIBRARY + ALL, language, f"-std={standard}", optimised)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_header_compiles_for_32_bits() -> None:
    """With -m32 too, where addresses are as wide as the core's; no 32-bit C library is needed for that."""
    done = compiles(ALL, "c", "-m32", "-ffreestanding", "-O2", "-std=c11")
    assert (done.returncode, done.stderr) == (0, "")


def test_it_stands_in_for_the_files_of_cmsis(tmp_path: Path) -> None:
    """CMSIS's own files of these names are skipped, by their include guards; CMSIS 4's keywords do not clash."""
    guards = {
        "cmsis_compiler.h": "__CMSIS_COMPILER_H",
        "cmsis_gcc.h": "__CMSIS_GCC_H",
        "core_cmInstr.h": "__CORE_CMINSTR_H",
        "core_cmFunc.h": "__CORE_CMFUNC_H",
    }
    for name, guard in guards.items():
        (tmp_path / name).write_text(f"#ifndef {guard}\n#define {guard}\n#error {name} was included\n#endif\n")
    includes = "".join(f'#include "{name}"\n' for name in guards)
    keywords = "#define __ASM __asm\n#define __INLINE inline\n#define __STATIC_INLINE static inline\n"
    source = includes + keywords + "int one(void) { return __CLZ(0x40000000U); }\n"
    library = compile_c(source, tmp_path, "-Werror", f"-I{tmp_path}", "-include", str(HEADER))
    assert library.one() == 1


def test_header_and_device_have_the_same_numbers() -> None:
    """The base and each offset of the header are those of the device's registers, and none is missing."""
    defined = dict(re.findall(r"^#define PAGETRAP_([A-Z_]+) (0x[0-9A-F]+)(?:UL)?$", HEADER.read_text(), re.MULTILINE))
    assert int(defined.pop("INTRINSICS"), 16) == BASE
    places = {place.name: place.offset for place in Intrinsics.layout.places}
    assert {name: int(offset, 16) for name, offset in defined.items()} == places


PURE: Final = r"""
uint32_t rev(uint32_t x) { return __REV(x); }
uint32_t rev16(uint32_t x) { return __REV16(x); }
int16_t revsh(int16_t x) { return __REVSH(x); }
uint32_t ror(uint32_t x, uint32_t n) { return __ROR(x, n); }
uint32_t rbit(uint32_t x) { return __RBIT(x); }
uint8_t clz(uint32_t x) { return __CLZ(x); }
int32_t ssat(int32_t x, uint32_t n) { return __SSAT(x, n); }
uint32_t usat(int32_t x, uint32_t n) { return __USAT(x, n); }
uint32_t unaligned(char *p, uint32_t x, uint16_t y)
{
	__UNALIGNED_UINT32_WRITE(p + 1, x);
	__UNALIGNED_UINT16_WRITE(p + 7, y);
	return __UNALIGNED_UINT32_READ(p + 1) ^ __UNALIGNED_UINT16_READ(p + 7);
}
"""


@pytest.fixture(scope="module")
def pure(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions that are arithmetic."""
    library = compile_c(PURE, tmp_path_factory.mktemp("pure"), "-include", str(HEADER))
    for name, result, *arguments in (
        ("rev", c_uint32, c_uint32),
        ("rev16", c_uint32, c_uint32),
        ("revsh", c_int16, c_int16),
        ("ror", c_uint32, c_uint32, c_uint32),
        ("rbit", c_uint32, c_uint32),
        ("clz", c_uint8, c_uint32),
        ("ssat", c_int32, c_int32, c_uint32),
        ("usat", c_uint32, c_int32, c_uint32),
        ("unaligned", c_uint32, c_void_p, c_uint32, c_uint16),
    ):
        getattr(library, name).restype = result
        getattr(library, name).argtypes = arguments
    return library


@given(word=WORDS, count=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bit_arithmetic(pure: ctypes.CDLL, word: int, count: int) -> None:
    """REV, REV16, REVSH, RBIT, ROR and CLZ are what their names say of strings of bytes and bits."""
    octets = word.to_bytes(4, "big")
    bits = f"{word:032b}"
    assert pure.rev(word) == int.from_bytes(octets, "little")
    assert pure.rev16(word) == int.from_bytes(octets[1::-1] + octets[:1:-1], "big")
    half = int.from_bytes(octets[2:], "big", signed=True)
    assert pure.revsh(half) == int.from_bytes(octets[2:], "little", signed=True)
    assert pure.rbit(word) == int(bits[::-1], 2)
    turned = count % 32
    assert pure.ror(word, count) == int(bits[32 - turned :] + bits[: 32 - turned], 2)
    assert pure.clz(word) == 32 - len(bits.lstrip("0"))


@pytest.mark.parametrize(("word", "zeros"), [(0, 32), (1, 31), (1 << 31, 0)])
def test_leading_zeros_at_the_edges(pure: ctypes.CDLL, word: int, zeros: int) -> None:
    """0 has 32, unlike with the compiler's builtin, which does not know."""
    assert pure.clz(word) == zeros


@given(value=INTS | st.integers(-300, 300), signed=st.integers(1, 32), unsigned=st.integers(0, 31))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_saturation(pure: ctypes.CDLL, value: int, signed: int, unsigned: int) -> None:
    """SSAT clamps to a signed number of bits, USAT to an unsigned one."""
    assert pure.ssat(value, signed) == max(-(1 << signed - 1), min(value, (1 << signed - 1) - 1))
    assert pure.usat(value, unsigned) == max(0, min(value, (1 << unsigned) - 1))


@given(word=WORDS, half=st.integers(0, 0xFFFF))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_unaligned_accesses(pure: ctypes.CDLL, word: int, half: int) -> None:
    """They reach the bytes at any address, and no others."""
    buffer = ctypes.create_string_buffer(b"\xaa" * 16, 16)
    assert pure.unaligned(ctypes.addressof(buffer), word, half) == word ^ half
    expected = b"\xaa" + word.to_bytes(4, "little") + b"\xaa\xaa" + half.to_bytes(2, "little")
    assert buffer.raw == expected.ljust(16, b"\xaa")


# The device by itself.


def test_registers_are_the_cores() -> None:
    """PRIMASK, FAULTMASK, BASEPRI and IPSR show the core's state, and change it."""
    core = Core()
    core.pend(14)
    device = core.intrinsics
    device.write(0x00, 4, 1)
    device.write(0x08, 4, 0xFF)
    assert (core.primask, core.basepri) == (1, 0xF0)
    device.write(0x0C, 4, 0x40)
    assert (device.read(0x00, 4), device.read(0x08, 4), device.read(0x0C, 4)) == (1, 0x40, 0)
    device.write(0x08, 4, 0)
    device.write(0x00, 4, 0)
    core.take()
    device.write(0x04, 4, 1)
    assert (device.read(0x10, 4), device.read(0x04, 4), core.faultmask) == (14, 1, 1)
    for offset, expected in ((0x14, 7), (0x18, 0xFFFF_FFFF), (0x1C, 0xFFFF_FFFF), (0x20, 0xFFFF_FFFF)):
        device.write(offset, 4, 0xFFFF_FFFF)
        assert device.read(offset, 4) == expected


def test_a_breakpoint() -> None:
    """BKPT is an error that has its number, or what the device's user makes of it."""
    device = Core().intrinsics
    with pytest.raises(BreakpointHit, match=r"^the firmware executed BKPT 0xab") as hit:
        device.write(0x30, 4, 0xAB)
    assert hit.value.number == 0xAB
    hits: list[int] = []
    device.on_breakpoint = hits.append
    device.write(0x30, 4, 5)
    assert hits == [5]


def test_wfe_consumes_an_event() -> None:
    """With an event there WFE continues at once and uses it up; the next one waits."""
    core = Core()
    waits: list[bool] = []
    core.intrinsics.on_wait_for_event = lambda: waits.append(core.event)
    core.intrinsics.write(0x2C, 4, 1)
    core.intrinsics.write(0x28, 4, 1)
    assert (waits, core.event) == ([], False)
    core.intrinsics.write(0x28, 4, 1)
    assert waits == [False]


def test_waiting_without_anyone_to_ask() -> None:
    """WFI and WFE with no callback continue at once, which the architecture allows."""
    core = Core()
    core.intrinsics.on_wait = core.intrinsics.on_wait_for_event = None
    core.intrinsics.write(0x24, 4, 1)
    core.intrinsics.write(0x28, 4, 1)
    assert core.clock.now == 0


# Both together: firmware.

FIRMWARE: Final = r"""
volatile uint32_t ticks, word;
uintptr_t page;

void handler(void) { ticks++; }

/* What ticks was before and after interrupts are enabled. */
uint32_t critical(void)
{
	uint32_t before, after;

	__disable_irq();
	before = ticks;
	__enable_irq();
	after = ticks;
	return before << 16 | after;
}

void sleep_until(uint32_t count) { while (ticks < count) __WFI(); }

/* Whether a store failed; with a handler between load and store if `interrupted`. */
uint32_t exchange(uint32_t interrupted, uint32_t cleared)
{
	uint32_t value = __LDREXW(&word);

	if (interrupted)
		__enable_irq();
	if (cleared)
		__CLREX();
	return __STREXW(value + 1, &word);
}

void set_bit(volatile uint32_t *address)
{
	do { } while (__STREXW(__LDREXW(address) | 1, address));
}
"""


class Board:
    """A core in this process, and firmware on it: the least that a board does."""

    def __init__(self, directory: Path) -> None:
        self.core = Core(frequency=1_000_000)
        self.log: list[str] = []
        declaration = directory / "page.h"
        declaration.write_text("#include <stdint.h>\nextern uintptr_t page;\n#define PAGETRAP_INTRINSICS page\n")
        flags = ("-include", str(declaration), "-include", str(HEADER), "-Wall", "-Wextra", "-Werror")
        self.firmware = compile_c(FIRMWARE, directory, *flags)
        self.firmware.critical.restype = c_uint32
        self.core.changed = self.run_handlers

    def run_handlers(self) -> None:
        while (number := self.core.take()) is not None:
            self.log.append(f"handler {number}")
            self.firmware.handler()
            self.core.leave(number)

    def number(self, name: str) -> int:
        return c_uint32.in_dll(self.firmware, name).value


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """A board whose firmware reaches the intrinsics."""
    board = Board(tmp_path)
    with mmio.ioremap(board.core.intrinsics, length=0x1000) as mapping:
        c_void_p.in_dll(board.firmware, "page").value = mapping.address
        yield board


def test_a_pending_handler_runs_within_enable_irq(board: Board) -> None:
    """Between disable and enable nothing runs; the code after __enable_irq() sees what the handler did."""
    core = board.core
    core.primask = 1
    core.pend(15)
    assert board.number("ticks") == 0
    assert board.firmware.critical() == 0 << 16 | 1
    assert core.primask == 0


def test_wfi_lets_time_pass(board: Board) -> None:
    """Firmware that sleeps between the ticks of SysTick wakes at each of them."""
    systick = board.core.systick
    systick.write(0x4, 4, 999)
    systick.write(0x0, 4, 7)
    board.firmware.sleep_until(3)
    assert board.core.clock.now == 3_000_000
    assert board.log == ["handler 15"] * 3


def test_wfi_that_nothing_ends(board: Board) -> None:
    """The error comes out of the call into the firmware, and says what is pending and enabled."""
    board.core.pend(16 + 3)
    board.core.enable(1 << 16 + 4)
    expected = r"sleeps \(WFI\) at 0 ns: no timer is running, .*pending now, enabled or not: 19; enabled: 20\)"
    with pytest.raises(SleepForever, match=expected):
        board.firmware.sleep_until(1)


@pytest.mark.parametrize(("interrupted", "cleared"), [(0, 0), (1, 0), (0, 1)])
def test_a_store_exclusive_fails_after_an_exception_or_clrex(board: Board, interrupted: int, cleared: int) -> None:
    """It stores and returns 0, or does not and returns 1."""
    board.core.primask = 1
    board.core.pend(15)
    assert board.firmware.exchange(interrupted, cleared) == (interrupted or cleared)
    assert board.number("word") == 1 - (interrupted or cleared)
    assert board.number("ticks") == interrupted


def test_no_handler_comes_between_check_and_store(board: Board) -> None:
    """An interrupt that the store itself raises, as enabling one in a UART does, is taken right after it."""

    class Uart(Device):
        cr1 = register(0)

        @cr1.written
        def _enabled(self, old: int, new: int) -> None:
            board.log.append("store")
            board.core.set_line(0, True)
            board.core.set_line(0, False)
            board.log.append("stored")

    board.core.enable(1 << 16)
    with mmio.ioremap(Uart(), length=0x1000) as uart:
        board.firmware.set_bit(uart)
    assert board.log == ["store", "stored", "handler 16"]
    assert board.core.held is False
