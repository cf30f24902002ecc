"""The board that the firmware runs on: the chip of chip.svd, a crystal, an EEPROM, a serial line."""

import os
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mmio
from mmio import us
from mmio.cortex_m import INCLUDE
from mmio.models import Eeprom24C, Stm32Dma, Stm32Gpio, Stm32I2c, Stm32Timer, Stm32Usart

HERE = Path(__file__).parent
CHIP = mmio.SvdFile(HERE / "chip.svd", warn=False)
HSI = 16_000_000
CRYSTAL = 8_000_000
EEPROM = 0x50

WARNINGS = "-O2 -g -Wall -Wextra -Werror=pointer-to-int-cast"
HOST = "-funsigned-char -fshort-enums -include pagetrap_cmsis.h"
LIBRARY = "-shared -fPIC -Wl,-Bsymbolic"

Registers: Any = CHIP["RCC"]


class Rcc(Registers):  # type: ignore[misc]  # the class is made of the file when this runs
    """Reset and clock control: oscillators that take their time, and the frequencies that come of them. RM0090, 7.3."""

    def __init__(self, board: Any, crystal: bool) -> None:
        self.board = board
        self.crystal = crystal

    @Registers.CR.written  # type: ignore[untyped-decorator]  # for the same reason
    def _turn_on(self, old: int, new: int) -> None:
        cr = self.CR
        cr.HSERDY &= cr.HSEON
        cr.PLLRDY &= cr.PLLON
        if cr.HSEON and self.crystal:
            self.after(us(100), self._hse_ready)  # 2 ms on a real board, and a test need not wait for them
        if cr.PLLON and (cr.HSERDY or not self.PLLCFGR.PLLSRC):
            self.after(us(50), self._pll_ready)

    def _hse_ready(self) -> None:
        self.CR.HSERDY = self.CR.HSEON

    def _pll_ready(self) -> None:
        self.CR.PLLRDY = self.CR.PLLON

    @Registers.CFGR.written  # type: ignore[untyped-decorator]
    def _switch(self, old: int, new: int) -> None:
        cfgr = self.CFGR
        if (True, self.CR.HSERDY, self.CR.PLLRDY, False)[cfgr.SW]:
            cfgr.SWS = cfgr.SW
        self.board.core.frequency = self.core_hz
        self.board.USART2.clock_hz = self.apb1_hz
        self.board.TIM2.clock_hz = self.apb1_hz * (2 if cfgr.PPRE1 & 4 else 1)

    @property
    def core_hz(self) -> int:
        """HCLK in Hz."""
        pll = self.PLLCFGR
        made = (CRYSTAL if pll.PLLSRC else HSI) // max(pll.PLLM, 1) * pll.PLLN // (2 * pll.PLLP + 2)
        divider = (1, 2, 4, 8, 16, 64, 128, 256, 512)[(self.CFGR.HPRE & 7) + 1 if self.CFGR.HPRE & 8 else 0]
        return int((HSI, CRYSTAL, made, HSI)[self.CFGR.SWS] // divider)

    @property
    def apb1_hz(self) -> int:
        """PCLK1 in Hz."""
        return self.core_hz >> ((self.CFGR.PPRE1 & 3) + 1 if self.CFGR.PPRE1 & 4 else 0)


def connect(board: Any, crystal: bool = True, eeprom: Eeprom24C | None = None) -> None:
    """Put the models into a board: of this process, or of a program under `pagetrap run --board board.py:connect`."""
    board.replace("USART2", Stm32Usart(HSI))
    board.replace("TIM2", Stm32Timer(HSI))
    board.replace("GPIOA", Stm32Gpio("A"))
    board.replace("GPIOB", Stm32Gpio("B"))
    i2c = board.replace("I2C1", Stm32I2c(), irq={"event_irq": "I2C1_EV", "error_irq": "I2C1_ER"})
    if eeprom is not None:
        i2c.attach(EEPROM, eeprom)
    board.replace("RCC", Rcc(board, crystal))


def make_board(crystal: bool = True, eeprom: Eeprom24C | None = None) -> mmio.Board:
    """Return the board, with a crystal or without, and with the EEPROM that is given."""
    trace = mmio.Trace(locate=mmio.Symbols().locate)  # with functions and lines of the firmware
    board = mmio.board(HERE / "chip.svd", frequency=HSI, trace=trace)
    connect(board, crystal, eeprom)
    dma = board.replace("DMA1", Stm32Dma((board.space.read, board.space.write)), irq={"irq6": "DMA1_Stream6"})
    dma.connect(board.USART2.tx_dma, stream=6)
    board.ram(0x2001_C000, 16 << 10, name="SRAM2")
    return board


class Terminal(mmio.Device):
    """The other end of the serial line, which a test in C types at."""

    typed = mmio.register(0x0, access="w", doc="A character; the end of a line sends that.")
    printed = mmio.register(0x4, access="r", doc="The next character that the firmware has sent, 0 when there is none.")

    def __init__(self, usart: Stm32Usart) -> None:
        self.usart = usart
        self.line, self.received = bytearray(), bytearray()

    @typed.written
    def _type(self, old: int, new: int) -> None:
        self.line.append(new & 0xFF)
        if self.line.endswith(b"\n"):
            self.usart.receive(bytes(self.line))
            self.line.clear()

    @printed.reads
    def _print(self) -> int:
        self.received += self.usart.take()
        return self.received.pop(0) if self.received else 0


def connect_terminal(board: Any) -> None:
    """Put the models into a board, with an EEPROM, and with a terminal for `program/selftest.c`."""
    connect(board, eeprom=Eeprom24C(32768))
    board.add("Terminal", 0x9000_0000, Terminal(board.USART2))


def build(directory: Path, *flags: str) -> Path:
    """Compile the firmware for this machine into a directory; return the library."""
    return _compile(directory / "firmware.so", LIBRARY, flags, HERE.glob("*.c"))


def build_program(directory: Path, *flags: str) -> Path:
    """Compile the firmware and its tests in C, as one program; return it."""
    sources = [*HERE.glob("*.c"), HERE / "program" / "selftest.c"]
    return _compile(directory / "selftest", "-Dmain=firmware_main", flags, sources)


def _compile(target: Path, how: str, flags: tuple[str, ...], sources: Iterable[Path]) -> Path:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    options = [*WARNINGS.split(), *HOST.split(), f"-I{INCLUDE}", f"-I{HERE}", *how.split(), *flags]
    subprocess.run([*compiler, *options, "-o", target, *sources], check=True)
    return target
