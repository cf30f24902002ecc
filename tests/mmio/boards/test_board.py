"""A chip in this process: its peripherals, memory, interrupts and time, under compiled firmware."""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable
from ctypes import CDLL, c_int
from pathlib import Path

import pytest

import mmio
from mmio import AccessError, Board, Device, MappingError, UnmappedAccess, line, ms, register, us
from mmio.boards import NoHandler
from mmio.cortex_m.core import Core
from mmio.linux.proc_maps import mappings
from tests.native import run_python

UART1, UART2, TIMER = 0x4001_1000, 0x4001_1400, 0x4002_0000
CR1, SR, DR = 0xC, 0, 4


class Uart(Device):
    sr = register(0)
    dr = register(4)
    irq = line()

    def receive(self, value: int) -> None:
        self.dr.value = value
        self.irq.set(True)

    @dr.reads
    def _taken(self) -> int:
        self.irq.set(False)
        return self.dr.value


def order(firmware: CDLL) -> list[int]:
    """The interrupts whose handlers have run, in order."""
    count = c_int.in_dll(firmware, "handlers").value
    return list((c_int * 64).in_dll(firmware, "order"))[:count]


def test_peripherals_are_where_the_file_has_them(board: Board, firmware: CDLL) -> None:
    """With the file's names, fields and reset values, each made at its first access."""
    assert firmware.load(UART2 + SR) == 0xC0
    firmware.store(UART2 + CR1, 1 << 13)
    assert board.USART2.CR1.UE == 1
    assert board["USART1"].CR1.UE == 0
    assert [str(access.register) for access in board.trace] == ["SR", "CR1"]
    assert "(UE" in str(board.trace[-1])
    assert [access.address for access in board.trace] == [UART2 + SR, UART2 + CR1]
    assert set(board.peripherals) >= {"USART1", "USART2", "TIMER", "NVIC", "SysTick", "SCB"}


def test_only_what_is_touched_is_made(chip: Path, firmware_path: Path) -> None:
    with mmio.board(chip, core=None) as board:
        assert not board._devices
        board.load(firmware_path).store(UART1 + CR1, 1)
        assert list(board._devices) == ["USART1"]


def test_registers_beyond_the_address_block(board: Board, firmware: CDLL) -> None:
    """Files are wrong about the size: what the registers need is mapped when one of them is touched."""
    assert firmware.load(TIMER + 0x100) == 0x1234
    assert board.trace[-1].register == "FAR"
    assert firmware.load(TIMER) == 0


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (UART2 + 0x400, "touches 0x40011800, beyond the nearest device ('USART2', 0x40011400..0x40011800)"),
        (0x4000_0000, "touches 0x40000000, before the nearest device ('USART1', 0x40011000..0x40011400)"),
        (0x5FFF_FFFC, "beyond the nearest device ('TIMER'"),
    ],
)
def test_between_peripherals_is_an_error(board: Board, firmware: CDLL, address: int, said: str) -> None:
    """It names the nearest."""
    with pytest.raises(UnmappedAccess, match=re.escape(said)):
        firmware.load(address)
    with pytest.raises(UnmappedAccess, match=re.escape(said)):
        firmware.store(address, 1)
    assert len(board.trace) == 0


def test_a_register_that_a_peripheral_does_not_have(board: Board, firmware: CDLL) -> None:
    with pytest.raises(UnmappedAccess, match="USART1 has no register at offset 0x20"):
        firmware.load(UART1 + 0x20)


@pytest.mark.parametrize("unmapped", ["ones", "zeros"])
def test_between_peripherals_by_policy(chip: Path, firmware_path: Path, unmapped: str) -> None:
    """Holes in peripherals, and what is between them, read as the policy says."""
    with mmio.board(chip, unmapped=unmapped) as board:  # type: ignore[arg-type]
        firmware = board.load(firmware_path)
        expected = -1 if unmapped == "ones" else 0
        for address in (UART2 + 0x400, UART1 + 0x20, 0x5000_0000):
            firmware.store(address, 5)
            assert c_int(firmware.load(address)).value == expected


def test_wide_accesses_and_narrow_ones(board: Board, firmware: CDLL, chip: Path, firmware_path: Path) -> None:
    """The bus is 32 bits wide; a board may demand whole words."""
    firmware.load8(UART1)
    assert [access.width for access in board.trace] == [4, 4]
    board.close()
    with mmio.board(chip, widths=(4,)) as strict:
        firmware = strict.load(firmware_path)
        with pytest.raises(mmio.PolicyError, match=r"narrower than every width the mapping allows \(4\)"):
            firmware.store1(UART1 + CR1, 1)


def test_misspelt_names(board: Board) -> None:
    """The nearest is told."""
    looks: list[Callable[[], object]] = [
        lambda: board.USRT2,
        lambda: board["USRT2"],
        lambda: board.replace("USRT2", Uart()),
    ]
    for look in looks:
        with pytest.raises((AttributeError, KeyError), match="did you mean 'USART1' or 'USART2'"):
            look()
    with pytest.raises(KeyError, match=r"there is no interrupt 'USRT2'; did you mean .*'USART2'"):
        board.replace("USART2", Uart(), irq="USRT2")
    assert not hasattr(board, "_nothing")


def test_a_model_in_place_of_a_peripheral(board: Board, firmware: CDLL) -> None:
    """By a call or by a decorator; its line drives the peripheral's interrupt."""
    uart = board.replace("USART1", Uart())
    assert board.USART1 is uart
    assert uart.clock is board.clock

    @board.model("USART2")
    class Second(Uart):
        pass

    assert isinstance(board.USART2, Second)
    firmware.store(UART2 + DR, 3)
    assert board.USART2.dr.value == 3
    firmware.enable(37, 5)
    uart.receive(0x41)
    assert order(firmware) == [37]


def test_an_interrupt_that_an_access_causes_comes_after_it(board: Board, firmware: CDLL) -> None:
    """The model is not in the middle of its work when the handler runs."""
    seen: list[str] = []

    class Echo(Uart):
        dr = register(4)

        @dr.written
        def _sent(self, old: int, new: int) -> None:
            self.irq.set(True)
            seen.append(f"model done, {order(firmware)}")

        @dr.reads
        def _taken(self) -> int:
            self.irq.set(False)
            return 0

    board.replace("USART1", Echo())
    firmware.enable(37, 5)
    firmware.store(UART1 + DR, 1)
    assert seen == ["model done, []"]
    assert order(firmware) == [37]


def test_masked_interrupts_wait(board: Board, firmware: CDLL) -> None:
    """PRIMASK holds them back, and what enables them runs them."""
    uart = board.replace("USART1", Uart())
    firmware.enable(37, 5)
    firmware.block()
    assert firmware.masked() == 1
    uart.receive(1)
    assert order(firmware) == []
    firmware.unblock()
    assert order(firmware) == [37]


def test_priorities_decide_who_interrupts_whom(board: Board, firmware: CDLL) -> None:
    """A handler is interrupted at its accesses by a more urgent one, and by no other."""
    uart = board.replace("USART1", Uart())

    @board.model("USART2")
    class Second(Uart):
        dr = register(4)

        @dr.written
        def _sent(self, old: int, new: int) -> None:
            uart.receive(new)

    for priority, expected in ((1, [1, 37, -1]), (9, [1, -1, 37])):
        c_int.in_dll(firmware, "handlers").value = 0
        firmware.enable(1, 5)
        firmware.enable(37, priority)
        board.pend("TIMER_UP")
        assert order(firmware) == expected


def test_a_handler_that_is_missing(board: Board, firmware: CDLL) -> None:
    """The error says what to define; a Python function will do."""
    firmware.enable(38, 1)
    with pytest.raises(NoHandler, match=r"interrupt 38 \(USART2\) .* define void USART2_IRQHandler"):
        board.pend(38)
    calls: list[int] = []
    board.handlers["USART2"] = lambda: calls.append(1)
    board.pend("USART2")
    assert calls == [1]
    with pytest.raises(KeyError, match="there is no interrupt 'UART9'"):
        board.handlers["UART9"] = print


def test_a_handler_that_acknowledges_nothing(board: Board, firmware: CDLL) -> None:
    uart = board.replace("USART1", Uart())
    board.handlers["USART1"] = lambda: None
    firmware.enable(37, 5)
    with pytest.raises(RuntimeError, match=r"interrupt 37 \(USART1\) is still asserted after 1000 calls"):
        uart.irq.set(True)


def test_time_passes_by_accesses_and_by_sleep(board: Board, firmware: CDLL) -> None:
    """So a loop that polls for a bit ends, and WFI leads to the next event."""

    class Slow(Uart):
        def start(self) -> None:
            self.clock.after(us(5), lambda: setattr(self.sr, "value", 1))

    slow = board.replace("USART1", Slow())
    slow.start()
    assert 40 < firmware.wait_ready(UART1 + SR, 1) <= 50
    firmware.enable(37, 5)
    before = board.clock.now
    slow.clock.after(ms(3), lambda: slow.irq.set(True))
    firmware.sleep()
    assert order(firmware) == [37]
    assert ms(3) <= board.clock.now - before < ms(3) + us(10)


def test_systick_runs_in_time(board: Board, firmware: CDLL) -> None:
    """The core's own timer: 16 MHz, a tick each ms."""
    firmware.store(0xE000_E014, 15_999)
    firmware.store(0xE000_E018, 0)
    firmware.store(0xE000_E010, 7)
    board.run_for(ms(10))
    assert order(firmware) == [15] * 10
    with pytest.raises(TimeoutError, match="have passed"):
        board.run_until(lambda: False, limit=ms(5))


def test_memory(board: Board, firmware: CDLL) -> None:
    """RAM and ROM are real memory; a store to ROM is an error; aliases and bit-bands lead to others."""
    ram = board.ram(0x2000_0000, 0x2000, name="SRAM", contents=b"\x01\x02\x03\x04")
    board.rom(0x0800_0000, b"\x10\x20\x30\x40", name="FLASH")
    assert (firmware.load(0x2000_0000), firmware.load(0x0800_0000)) == (0x04030201, 0x40302010)
    firmware.store(0x2000_1FFC, 77)
    assert ram.read(0x2000_1FFC, 4) == (77).to_bytes(4, "little")
    firmware.copy(0x2000_0100, UART2, 2)  # REP MOVSD from registers to memory
    assert ram.read(0x2000_0100, 8) == bytes.fromhex("c000000000000000")
    firmware.copy(UART2 + CR1, 0x0800_0000, 1)
    assert board.USART2.CR1.value == 0x40302010
    with pytest.raises(AccessError, match="a store of 0x1 to FLASH, which is read-only"):
        firmware.store(0x0800_0000, 1)
    board.memory("FLASH").write(0x0800_0000, b"\x11")
    assert firmware.load(0x0800_0000) == 0x40302011
    board.alias(0x1000_0000, 0x1000, 0x0800_0000)
    assert firmware.load(0x1000_0000) == 0x40302011
    board.bit_band()
    firmware.store(0x2200_0000 + 4 * 7, 1)
    assert ram.read(0x2000_0000, 1) == b"\x81"
    assert [firmware.load(0x2200_0000 + 4 * bit) for bit in range(8)] == [1, 0, 0, 0, 0, 0, 0, 1]
    firmware.store(0x4200_0000 + (UART1 + CR1 - 0x4000_0000) * 32 + 4 * 13, 1)
    assert board.USART1.CR1.UE == 1
    for wrong in (lambda: ram.read(0x2000_1FFF, 2), lambda: ram.write(0x1FFF_FFFF, b"1")):
        with pytest.raises(ValueError, match="not within SRAM, 0x20000000"):
            wrong()
    with pytest.raises(MappingError, match="multiples of 0x1000"):
        board.ram(0x3000_0000, 100)
    with pytest.raises(MappingError, match="already"):
        board.ram(0x3000_0000, 0x1000, name="SRAM")
    with pytest.raises(MappingError, match=r"OVER, 0x40011000.* would cover 0x40011000"):
        board.ram(0x4001_1000, 0x1000, name="OVER")
    with pytest.raises(KeyError, match="did you mean 'SRAM'"):
        board.memory("SRM")


def test_a_board_after_a_board(chip: Path, firmware_path: Path) -> None:
    """Closing one makes room for the next; nothing of the first is left."""
    for value in range(3):
        with mmio.board(chip) as board:
            board.ram(0x2000_0000, 0x1000)
            firmware = board.load(firmware_path)
            assert firmware.load(0x2000_0000) == 0
            assert firmware.load(UART1 + CR1) == 0
            firmware.store(0x2000_0000, value + 1)
            firmware.store(UART1 + CR1, value + 1)
        board.close()
        assert "closed" in repr(board)
        low = [each for each in mappings(os.getpid()) if each.end <= 1 << 32 and each.permissions.startswith("---")]
        assert sum(each.end - each.start for each in low) < 1 << 24  # the pages of devices stay reserved, and no others
    gc.collect()


def test_firmware_begins_anew(chip: Path, firmware_path: Path) -> None:
    """A library that is loaded again has its variables as at reset, though the dynamic linker would not load it."""
    for _ in range(3):
        with mmio.board(chip) as board:
            firmware = board.load(firmware_path)
            assert order(firmware) == []
            firmware.enable(1, 5)
            board.replace("USART2", Uart())
            board.pend("TIMER_UP")
            assert order(firmware) == [1, -1]


def test_two_boards_at_once(board: Board, chip: Path) -> None:
    with pytest.raises(MappingError, match=r"small\.svd is open: its chip has these addresses; close it first"):
        mmio.board(chip)
    assert board.USART1.CR1.UE == 0


def test_an_empty_board_with_devices_of_ones_own(firmware_path: Path) -> None:
    """Without a file, and without a core."""
    with mmio.board(core=None) as board:
        board.add("UART", UART1, Uart())
        firmware = board.load(firmware_path)
        firmware.store(UART1 + DR, 6)
        assert board.UART.dr.value == 6
        with pytest.raises(ValueError, match="has no core"):
            board.replace("UART", Uart(), irq=3)
        with pytest.raises(MappingError, match=r"board.replace\('UART'"):
            board.add("UART", UART2, Uart())
    with mmio.board(core=Core("v6-M")) as small:
        assert "NVIC" in small.peripherals
        assert "DWT" not in small.peripherals


def test_registers_among_those_of_another(tmp_path: Path, firmware_path: Path) -> None:
    """Two ports of an nRF52840 interleave: each register belongs to the peripheral that has one there."""
    peripheral = """<peripheral><name>{}</name><baseAddress>{}</baseAddress>
      <addressBlock><offset>0</offset><size>0x1000</size><usage>registers</usage></addressBlock><registers>
      <register><name>OUT</name><addressOffset>0x504</addressOffset><size>32</size></register>
      <register><name>IN</name><addressOffset>0x510</addressOffset><size>32</size></register>
      </registers></peripheral>"""
    both = peripheral.format("P0", "0x50000000") + peripheral.format("P1", "0x50000300")
    same = peripheral.format("SPI0", "0x40003000") + peripheral.format("TWI0", "0x40003000").replace("0x504", "0x600")
    path = tmp_path / "ports.svd"
    path.write_text(f'<device schemaVersion="1.1"><name>N</name><peripherals>{both}{same}</peripherals></device>')
    for first in (0x5000_0504, 0x5000_0804):
        with mmio.board(path) as board:
            firmware = board.load(firmware_path)
            firmware.store(first, 1)
            firmware.store(0x5000_0504, 5)
            firmware.store(0x5000_0804, 6)
            assert (board.P0.OUT.value, board.P1.OUT.value) == (5, 6)
            assert [access.region for access in board.trace][-2:] == ["P0", "P1"]
            assert {access.register for access in board.trace} == {"OUT"}
            firmware.store(0x4000_3600, 7)
            firmware.store(0x4000_3504, 8)
            assert (board.TWI0.OUT.value, board.SPI0.OUT.value) == (7, 8)
            with pytest.raises(UnmappedAccess, match="P0 has no register at offset 0x700"):
                firmware.load(0x5000_0700)

            class Port(Device):
                out = register(0x504)
                in_ = register(0x510)

            board.replace("P1", Port())
            firmware.store(0x5000_0804, 9)
            assert (board.P0.OUT.value, board.P1.out.value) == (5, 9)


def test_what_is_no_board(tmp_path: Path) -> None:
    """Each says what is wrong."""
    with pytest.raises(mmio.DescriptionError, match="nothing"):
        mmio.board(tmp_path / "nothing.svd")
    text = tmp_path / "text.svd"
    text.write_text("no XML")
    with pytest.raises(mmio.DescriptionError):
        mmio.board(text)
    with pytest.raises(ValueError, match="core is a Core or None"):
        mmio.board(core="M4")
    with pytest.raises(TypeError, match="clock is a Clock"):
        mmio.board(clock=3)  # type: ignore[arg-type]


def test_the_module_of_the_same_name() -> None:
    """It prints where the header is; imported, it can be called as the function that it hides."""
    done = subprocess.run([sys.executable, "-m", "mmio.board", "--include"], capture_output=True, text=True, check=True)
    assert (Path(done.stdout.strip()) / "pagetrap_cmsis.h").exists()
    wrong = subprocess.run([sys.executable, "-m", "mmio.board"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "usage: python -m mmio.board --include" in wrong.stderr
    code = "import mmio.board\nwith mmio.board(core=None) as board: print(type(board).__name__)"
    assert run_python(code).stdout == "Board\n"


def test_other_devices_beside_a_board(board: Board, firmware: CDLL) -> None:
    """A device that is mapped by itself lies over the board's ground, and gives way to it again."""
    uart = Uart()
    with mmio.ioremap(uart, address=0xA000_0000):
        firmware.store(0xA000_0004, 3)
        assert uart.dr.value == 3
        other = mmio.ioremap(Uart(), address=0xB000_0000)
    with pytest.raises(UnmappedAccess, match=r"touches 0xa0000004, where there is nothing; board.ram"):
        firmware.load(0xA000_0004)
    board.close()
    with other:  # which was there before the board went
        firmware.store(0xB000_0000, 4)
        assert other.region.device.sr.value == 4  # type: ignore[attr-defined]


def test_a_call_is_ended_after_a_time(board: Board, firmware: CDLL) -> None:
    """In the middle of polling, or of a sleep; one that returns before has its own result."""
    assert board.run(firmware.wait_ready, UART1 + SR, 1, duration=us(20)) is None
    assert us(20) <= board.clock.now <= us(21)
    assert board.run(firmware.load, UART2 + SR, duration=us(20)) == 0xC0
    board.run_for(us(50))  # nothing is left of it
    assert board.run(firmware.sleep, duration=ms(1)) is None
    with pytest.raises(ValueError, match="duration"):
        board.run(firmware.sleep, duration=-1)


def test_a_call_within_a_call_has_its_own_time(board: Board, firmware: CDLL) -> None:
    """The outer one's end ends both."""
    ended: list[str] = []

    def handler() -> None:
        board.run(firmware.wait_ready, UART1 + SR, 1, duration=us(5))
        ended.append("inner")
        board.run(firmware.wait_ready, UART1 + SR, 1, duration=ms(5))
        ended.append("too late")

    board.handlers[37 + 16] = handler
    firmware.enable(37, 3)
    board.clock.after(us(2), lambda: board.pend(37))
    assert board.run(firmware.wait_ready, UART2 + SR, 1, duration=us(30)) is None
    assert ended == ["inner"]


def test_a_pattern_that_no_handler_has(board: Board, firmware_path: Path) -> None:
    """It is a warning: firmware without handlers has none of any pattern, and is loaded without one."""
    with pytest.warns(UserWarning, match=r"no interrupt handler of the pattern '\{lower\}_isr', such as usart1_isr"):
        board.load(firmware_path, pattern="{lower}_isr")
