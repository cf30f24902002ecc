"""Tests of the firmware on its board. FIRMWARE_FLAGS are flags for the compiler: -DBUG_BAUD plants a mistake."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from board import CHIP, EEPROM, build, make_board

import mmio
from mmio import ms, seconds
from mmio.models import Eeprom24C

OK, TIMED_OUT, NO_ANSWER, BAD_VALUE = 0, -1, -2, -3


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("firmware"), *os.environ.get("FIRMWARE_FLAGS", "").split())


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    """A copy for each test: a library is loaded once, and its variables would be as the last test left them."""
    return Path(shutil.copy(built, tmp_path))


@pytest.fixture
def eeprom() -> Eeprom24C:
    return Eeprom24C(32768)


@pytest.fixture
def board(eeprom: Eeprom24C) -> Iterator[Any]:
    with make_board(eeprom=eeprom) as board:
        yield board


@pytest.fixture
def firmware(board: mmio.Board, library: Path) -> ctypes.CDLL:
    """The firmware, started."""
    firmware = board.load(library)
    firmware.app_init()
    return firmware


def say(board: Any, firmware: ctypes.CDLL, command: bytes) -> bytes:
    """Type a command, at the speed of the line; return what the firmware says."""
    board.USART2.take()
    board.USART2.receive(command + b"\n", timed=True)
    board.run_until(lambda: not board.USART2.pending)
    firmware.app_poll()
    return bytes(board.USART2.take())


# Clocks.


def test_the_core_runs_at_168_mhz(board: Any, firmware: ctypes.CDLL) -> None:
    assert board.RCC.core_hz == 168_000_000
    assert board.RCC.apb1_hz == 42_000_000
    assert board.FLASH.ACR.LATENCY == 5


def test_flash_has_its_wait_states_before_the_clock_is_fast(board: mmio.Board, firmware: ctypes.CDLL) -> None:
    order = [access.place for access in board.trace if access.writes and access.place in ("FLASH.ACR", "RCC.CFGR")]
    assert order.index("FLASH.ACR") < len(order) - 1 - order[::-1].index("RCC.CFGR")


def test_a_board_without_a_crystal_goes_on_by_its_own_oscillator(library: Path) -> None:
    with make_board(crystal=False) as board:
        firmware = board.load(library)
        firmware.app_init()
        assert board.RCC.core_hz == 16_000_000
        assert board.USART2.baud == pytest.approx(115_200, rel=0.01)


def test_reserved_bits_stay_as_they_are_after_reset(board: Any, firmware: ctypes.CDLL) -> None:
    for access in board.trace:
        if access.reads or access.region not in CHIP:  # what is not in the file is the core's
            continue
        described = CHIP[access.region]()
        place = next((place for place in described.layout.places if place.offset == access.offset), None)
        assert place is not None
        known = sum((2 << field.msb) - (1 << field.lsb) for field in place.fields)
        reset = described[place.name].value
        if (access.value ^ reset) & ~known:
            where = board.trace.locate(access.ip)
            pytest.fail(f"{access.place} = {access.value:#x}, its reserved bits are {reset & ~known:#x}: {where}")


def test_delays_are_as_long_as_they_say(board: mmio.Board, firmware: ctypes.CDLL) -> None:
    before = board.clock.now
    firmware.delay_ms(100)
    assert ms(99) <= board.clock.now - before <= ms(100)


# The serial line.


def test_the_baud_rate_is_within_one_percent(board: Any, firmware: ctypes.CDLL) -> None:
    assert board.USART2.baud == pytest.approx(115_200, rel=0.01)


def test_a_character_may_come_as_soon_as_the_last_one_is_read(board: Any, firmware: ctypes.CDLL) -> None:
    """Without `timed` the other end waits for the read of DR, and sends the next one within it."""
    board.USART2.take()
    board.USART2.receive(b"show\n")
    firmware.app_poll()
    assert board.USART2.take() == b"station, every 1000 ms\n"


def test_a_command_at_the_speed_of_the_line(board: mmio.Board, firmware: ctypes.CDLL) -> None:
    assert say(board, firmware, b"show") == b"station, every 1000 ms\n"
    assert ctypes.c_uint32.in_dll(firmware, "uart_overruns").value == 0


def test_an_overrun_is_counted(board: Any, firmware: ctypes.CDLL) -> None:
    board.USART2.receive_error("overrun", data=b"x")
    assert ctypes.c_uint32.in_dll(firmware, "uart_overruns").value == 1


def test_the_help_is_sent_while_the_program_goes_on(board: Any, firmware: ctypes.CDLL) -> None:
    """At the speed of the line that takes 2.9 ms; until then there is no second text."""
    board.USART2.timed = True
    assert say(board, firmware, b"help") == b""
    assert firmware.dma_puts(b"more") == TIMED_OUT
    board.run_until(lambda: len(board.USART2.sent) == 33)
    assert board.USART2.take() == b"show\nname <word>\nblink <ms>\nsave\n"
    assert firmware.dma_puts(b"more") == OK


@pytest.mark.parametrize("command", [b"", b"hello", b"name ", b"name " + b"x" * 16, b"blink 0", b"x" * 50])
def test_nonsense_is_an_error(board: mmio.Board, firmware: ctypes.CDLL, command: bytes) -> None:
    assert say(board, firmware, command) == b"error\n"


# The EEPROM.


def test_what_is_written_over_pages_is_there(firmware: ctypes.CDLL, eeprom: Eeprom24C) -> None:
    """The second page has to wait until the chip has done with the first."""
    data = bytes(range(200))
    assert firmware.eeprom_write(0x1030, data, len(data)) == OK
    assert eeprom.contents[0x1030:0x1100] == data + b"\xff" * 8
    assert eeprom.cycles == 4


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100])
def test_bytes_are_read_back(firmware: ctypes.CDLL, eeprom: Eeprom24C, length: int) -> None:
    eeprom.contents[0x50:0x150] = bytes(range(256))
    data = ctypes.create_string_buffer(length + 1)
    assert firmware.eeprom_read(0x60, data, length) == OK
    assert data.raw == bytes(range(16, 16 + length)) + b"\0"


def test_an_absent_chip_is_no_answer(board: Any, firmware: ctypes.CDLL) -> None:
    board.I2C1.detach(EEPROM)
    assert firmware.eeprom_write(0, b"x", 1) == NO_ANSWER
    assert firmware.eeprom_read(0, ctypes.create_string_buffer(1), 1) == NO_ANSWER
    assert not board.I2C1.sr2.BUSY
    assert say(board, firmware, b"save") == b"no EEPROM\n"


def test_nothing_is_written_past_the_end(firmware: ctypes.CDLL, eeprom: Eeprom24C) -> None:
    assert firmware.eeprom_write(32767, b"xy", 2) == BAD_VALUE
    assert eeprom.cycles == 0


def test_settings_outlive_the_power(board: mmio.Board, firmware: ctypes.CDLL, eeprom: Eeprom24C, built: Path) -> None:
    assert say(board, firmware, b"name north") == b"ok\n"
    assert say(board, firmware, b"save") == b"ok\n"
    board.close()
    with make_board(eeprom=Eeprom24C(32768, contents=bytes(eeprom.contents))) as again:
        firmware = again.load(built)
        firmware.app_init()
        assert again["USART2"].take() == b"north, every 1000 ms\n"


# The light.


def test_the_light_blinks(board: Any, firmware: ctypes.CDLL) -> None:
    assert say(board, firmware, b"blink 200") == b"ok\n"
    changes: list[int] = []
    board.GPIOA.pins[5].watch(lambda level: changes.append(board.clock.now))
    board.run_for(seconds(1))
    assert len(changes) == 10
    assert {round((b - a) / 1e6) for a, b in pairwise(changes)} == {100}


# All of it.


def test_main_runs_as_it_does_on_the_chip(board: Any, library: Path) -> None:
    """A loop without an end is ended at a time of the board's clock."""
    firmware = board.load(library)
    board.clock.after(ms(20), lambda: board.USART2.receive(b"blink 100\nshow\n", timed=True))
    assert board.run(firmware.main, duration=ms(500)) is None
    assert board.USART2.take() == b"station, every 1000 ms\nok\nstation, every 100 ms\n"
