"""The cards of examples/guest in this process: the same models that a guest's drivers meet."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import pytest

import mmio
from tests.mmio.guests.guests import example

RCTL, TCTL, IMS, ICR = 0x100, 0x400, 0xD0, 0xC0
TX, RX = 0x3800, 0x2800
PING = bytes.fromhex(
    "02000000000152540012345608004500001c00010000400100000a0000020a0000010800f7fd00010001"  # ICMP echo request
)


class Registers:
    """Registers of a mapping, as C code has them."""

    def __init__(self, mapping: mmio.Mapping) -> None:
        self._base = mapping.address

    def __getitem__(self, offset: int) -> int:
        return int(ctypes.c_uint32.from_address(self._base + offset).value)

    def __setitem__(self, offset: int, value: int) -> None:
        ctypes.c_uint32.from_address(self._base + offset).value = value


@pytest.fixture
def e1000() -> Any:
    return example("e1000")


def ring(registers: Registers, at: int, memory: Any, count: int) -> None:
    address = ctypes.addressof(memory)
    for offset, value in ((0, address & 0xFFFFFFFF), (4, address >> 32), (8, 16 * count), (0x10, 0), (0x18, 0)):
        registers[at + offset] = value


def test_a_packet_in_this_process(e1000: Any) -> None:
    """The rings work on this process's memory as they do on a guest's: a ping goes out, its answer comes in."""
    card = e1000.E1000()
    frame, buffer = ctypes.create_string_buffer(PING), ctypes.create_string_buffer(2048)
    sent, received = ctypes.create_string_buffer(8 * 16), ctypes.create_string_buffer(8 * 16)
    struct.pack_into("<QII", sent, 0, ctypes.addressof(frame), len(PING) | 9 << 24, 0)
    struct.pack_into("<Q", received, 0, ctypes.addressof(buffer))
    with mmio.ioremap(card, 0x20000) as mapping:
        registers = Registers(mapping)
        ring(registers, TX, sent, 8)
        ring(registers, RX, received, 8)
        registers[RX + 0x18] = 7
        registers[RCTL] = registers[TCTL] = 2
        registers[IMS] = e1000.TXDW | e1000.RXT0
        registers[TX + 0x18] = 1
        assert card.irq.level
        assert registers[ICR] == e1000.TXDW | e1000.RXT0
        assert not card.irq.level
    assert card.sent == [PING]
    length, _, status = struct.unpack_from("<HHB", received, 8)
    assert (length, status) == (64, 3)
    answer = buffer.raw[:42]
    assert answer[:14] == PING[6:12] + PING[:6] + PING[12:14]
    assert answer[26:34] == PING[30:34] + PING[26:30]
    assert answer[34] == 0  # echo reply
    assert card.peer._sums(answer[34:42], 2) == answer[34:36] + b"\0\0" + answer[38:42]  # a right checksum sums to 0


def test_the_eeprom(e1000: Any) -> None:
    """The words come out bit by bit, and add up to what the driver checks."""
    card = e1000.E1000()
    words = []
    for address in range(64):
        card.eecd.write(0x42)  # REQ, CS
        for bit in f"110{address:06b}":
            for clock in (0, 1):
                card.eecd.write(0x42 | int(bit) << 2 | clock)
        word = 0
        for _ in range(16):
            card.eecd.write(0x42)
            card.eecd.write(0x43)
            word = word << 1 | card.eecd.DO
        card.eecd.write(0x40)
        words.append(word)
    assert words == card.eeprom
    assert sum(words) & 0xFFFF == 0xBABA


def test_the_watchdog_is_locked() -> None:
    """A write that was not unlocked by 0x80 and 0x86 is lost."""
    watchdog = example("i6300esb").Watchdog()
    timer = watchdog.timer
    timer.write(0x00, 4, 5)
    assert timer.timer1.value == 0xFFFFF
    for value in (0x80, 0x86):
        timer.write(0x0C, 2, value)
    timer.write(0x00, 4, 5)
    assert timer.timer1.value == 5
    for value in (0x80, 0x86, 0x100):
        timer.write(0x0C, 2, value)
    assert (timer.pings, timer.reload.value) == (1, 0)
