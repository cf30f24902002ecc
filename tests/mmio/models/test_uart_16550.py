"""The 16550: FIFOs, flags, interrupts and their priorities, the loop, and registers that are 4 bytes apart."""

import json
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmio
from mmio.models.uart_16550 import Uart16550, Uart16550Wide
from tests.native import compile_c

RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(8)
THR, DLL, DLM, FCR = RBR, RBR, IER, IIR
DR, OE, PE, FE, BI, THRE, TEMT, FIFOE = (1 << i for i in range(8))
NONE, LINE, DATA, TIMEOUT, EMPTY, MODEM = 0x1, 0x6, 0x4, 0xC, 0x2, 0x0


def started(*writes: tuple[int, int], timed: bool = False, fifo: bool = True) -> Uart16550:
    """Return a UART of 8 bits and 115200 baud, after some more writes."""
    uart = Uart16550(timed=timed)
    for offset, value in ((LCR, 0x83), (DLL, 1), (DLM, 0), (LCR, 0x03), (FCR, int(fifo)), *writes):
        uart.write(offset, 1, value)
    return uart


def poll(uart: Uart16550) -> bytes:
    """Read what there is as a polling driver does."""
    data = bytearray()
    while uart.read(LSR, 1) & DR:
        data.append(uart.read(RBR, 1))
    return bytes(data)


def test_after_power_on() -> None:
    """The transmitter is empty, no interrupt is pending, the rest is zero (table I)."""
    uart = Uart16550()
    assert [uart.read(offset, 1) for offset in range(8)] == [0, 0, NONE, 0, 0, THRE | TEMT, 0, 0]
    assert not uart.irq.level


@given(st.binary(max_size=60), st.booleans())
def test_everything_arrives_in_order(data: bytes, fifo: bool) -> None:
    """Patient characters are all there, in order, and no error is flagged."""
    uart = started(fifo=fifo)
    uart.receive(data)
    assert poll(uart) == data
    assert uart.read(LSR, 1) == THRE | TEMT


@given(st.binary(max_size=60), st.booleans())
def test_everything_is_sent_in_order(data: bytes, fifo: bool) -> None:
    """What is written is on the wire, in order."""
    uart = started(fifo=fifo)
    for byte in data:
        uart.write(THR, 1, byte)
    assert (uart.sent, uart.take(), uart.sent) == (data, data, b"")


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=20), st.none()), max_size=30), st.booleans())
def test_a_burst_loses_nothing_unflagged(steps: list[bytes | None], fifo: bool) -> None:
    """Of bursts, a FIFO keeps the first sixteen and a holding register the last, and OE tells of each loss."""
    uart = started(fifo=fifo)
    reference: deque[int] = deque()
    lost = False
    for step in steps:
        if step is not None:
            uart.receive(step, burst=True)
            for byte in step:
                if len(reference) == (16 if fifo else 1):
                    lost = True
                    if not fifo:
                        reference[0] = byte
                else:
                    reference.append(byte)
            continue
        status = uart.read(LSR, 1)
        assert bool(status & OE) == lost
        assert bool(status & DR) == bool(reference)
        lost = False
        if reference:
            assert uart.read(RBR, 1) == reference.popleft()
    assert poll(uart) == bytes(reference)


def test_the_divisor_stands_behind_dlab() -> None:
    """It keeps its value while the data registers are in front, and takes no characters."""
    uart = started((LCR, 0x83), (DLL, 0x0C), (DLM, 0x01), (LCR, 0x03), (THR, 0x41), (IER, 5))
    assert (uart.dll.value, uart.dlm.value, uart.ier.value, uart.sent) == (0x0C, 1, 5, b"A")
    assert uart.baud == 1_843_200 / 16 / 0x10C


@pytest.mark.parametrize(("lcr", "sent"), [(0, 0x1F), (1, 0x3F), (2, 0x7F), (3, 0xFF)])
def test_a_character_has_the_bits_of_its_word_length(lcr: int, sent: int) -> None:
    """The others never reach the line, in either direction."""
    uart = started((LCR, lcr), (THR, 0xFF))
    uart.receive(b"\xff")
    assert (uart.sent, uart.read(RBR, 1)) == (bytes([sent]), sent)


@pytest.mark.parametrize(("offset", "kept"), [(IER, 0x0F), (MCR, 0x1F), (SCR, 0xFF), (LCR, 0x7F)])
def test_bits_that_are_not_there_read_as_zero(offset: int, kept: int) -> None:
    """Whatever is written."""
    uart = started((offset, 0x7F))
    assert uart.read(offset, 1) == kept & 0x7F


def test_priorities() -> None:
    """IIR names the most urgent source, and the next when that has been served (table IV)."""
    uart = started((IER, 0x0F), fifo=False)
    assert uart.read(IIR, 1) == EMPTY  # being told ends it
    assert uart.read(IIR, 1) == NONE
    uart.modem(cts=True)
    uart.write(THR, 1, 0)
    uart.receive_error("framing", data=b"x")
    assert uart.read(IIR, 1) == LINE
    assert uart.read(LSR, 1) & (DR | FE) == DR | FE
    assert uart.read(IIR, 1) == DATA
    assert uart.read(RBR, 1) == ord("x")
    assert uart.read(IIR, 1) == EMPTY
    assert uart.read(IIR, 1) == MODEM
    assert uart.read(MSR, 1) == 0x11
    assert uart.read(IIR, 1) == NONE
    assert not uart.irq.level


@pytest.mark.parametrize(("trigger", "count"), [(0, 1), (1, 4), (2, 8), (3, 14)])
def test_fifo_triggers_and_the_timeout(trigger: int, count: int) -> None:
    """Data are announced at the trigger level, and below it when the line falls silent."""
    uart = started((FCR, 1 | trigger << 6), (IER, 1))
    uart.receive(bytes(count))
    assert uart.read(IIR, 1) == 0xC0 | DATA
    if count > 1:
        uart.read(RBR, 1)
        assert uart.read(IIR, 1) == 0xC0 | NONE
        uart.receive(b"x")
        uart.read(RBR, 1)
        uart.receive(b"", timed=False)
        assert uart.read(IIR, 1) == 0xC0 | NONE
    poll(uart)
    uart.receive(b"y")
    assert uart.read(IIR, 1) == 0xC0 | (TIMEOUT if count > 1 else DATA)
    uart.read(RBR, 1)
    assert uart.read(IIR, 1) == 0xC0 | NONE


def test_the_timeout_takes_four_characters() -> None:
    """Timed, it comes four character times after the last character."""
    uart = started((FCR, 0xC1), (IER, 1), timed=True)
    uart.receive(b"ab")
    character = round(10e9 / 115_200)
    uart.clock.run_for(6 * character - 1)
    assert uart.read(IIR, 1) == 0xC0 | NONE
    uart.clock.run_for(1)
    assert uart.read(IIR, 1) == 0xC0 | TIMEOUT


@pytest.mark.parametrize(
    ("error", "flags"), [("parity", PE), ("framing", FE), ("break", FE | BI), ("overrun", OE), ("noise", 0)]
)
def test_errors_belong_to_their_character(error: str, flags: int) -> None:
    """An error is shown when its character comes to the front of the FIFO; FIFOE says that there is one behind."""
    uart = started((LCR, 0x0B))
    uart.receive(b"a")
    uart.receive_error(error, data=b"b")
    if error != "overrun":  # which belongs to none
        assert uart.read(LSR, 1) & 0x9F == DR | FIFOE * bool(flags)
    uart.read(RBR, 1)
    assert uart.read(LSR, 1) & 0x1F == DR | flags
    assert uart.read(LSR, 1) & 0x9F == DR


def test_a_timed_transmitter_empties_in_two_steps() -> None:
    """THRE comes when the FIFO is empty, TEMT when the last character has left."""
    uart = started((THR, 0x61), (THR, 0x62), timed=True)
    character = round(10e9 / 115_200)
    assert uart.read(LSR, 1) & (THRE | TEMT) == 0
    uart.clock.run_for(character)
    assert (uart.sent, uart.read(LSR, 1) & (THRE | TEMT)) == (b"a", THRE)
    uart.clock.run_for(character)
    assert (uart.sent, uart.read(LSR, 1) & (THRE | TEMT)) == (b"ab", THRE | TEMT)


def test_an_interrupt_driven_transmitter() -> None:
    """A handler that writes at each THRE interrupt sends all, and is not called any more then."""
    uart = started((IER, 0))
    left = deque(b"by interrupts")

    def handler() -> None:
        if uart.read(IIR, 1) & 0xF == EMPTY and left:
            uart.write(THR, 1, left.popleft())

    interrupt = mmio.Interrupt(uart.irq, handler)
    uart.write(IER, 1, 2)
    assert (uart.sent, interrupt.calls, uart.irq.level) == (b"by interrupts", 14, False)


@given(st.binary(max_size=16))
def test_the_loop(data: bytes) -> None:
    """In a loop what is sent is received, the wire sees nothing of it, and the outputs are the modem's lines."""
    uart = started((MCR, 0x1F))
    uart.receive(b"from the wire")
    for byte in data:
        uart.write(THR, 1, byte)
    assert (poll(uart), uart.sent, uart.pending) == (data, b"", 13)
    assert uart.read(MSR, 1) & 0xF0 == 0xF0
    uart.write(MCR, 1, 0)
    assert poll(uart) == b"from the wire"


@pytest.mark.parametrize(("before", "after", "delta"), [("ri", "", 4), ("", "ri", 0), ("", "cts", 1), ("dcd", "", 8)])
def test_modem_lines(before: str, after: str, delta: int) -> None:
    """A change is kept until it is read; of RI only the trailing edge counts."""
    uart = started()
    uart.modem(**({before: True} if before else {}))
    uart.read(MSR, 1)
    uart.modem(**({after: True} if after else {}))
    assert uart.read(MSR, 1) & 0xF == delta
    assert uart.read(MSR, 1) & 0xF == 0


def test_resetting_the_fifos() -> None:
    """FCR empties them, and turning them on or off does so too."""
    uart = started()
    uart.blocked = True
    for control in (3, 0):
        uart.receive(b"abc", burst=True)
        uart.write(FCR, 1, control)
        assert not uart.read(LSR, 1) & DR
    uart.write(FCR, 1, 1)
    for byte in b"xyz":
        uart.write(THR, 1, byte)
    uart.write(FCR, 1, 5)
    uart.blocked = False
    assert uart.sent == b"x"  # which was in the shift register


def test_reset_keeps_the_divisor() -> None:
    """DLL, DLM and SCR keep what they have (table I)."""
    uart = started((SCR, 0x55), (IER, 0xF))
    uart.receive(b"x")
    uart.reset()
    assert (uart.dll.value, uart.scr.value, uart.ier.value, uart.read(LSR, 1)) == (1, 0x55, 0, THRE | TEMT)


@given(st.binary(max_size=20), st.integers(0, 10))
def test_a_snapshot_goes_on(data: bytes, reads: int) -> None:
    """A restored UART reads, flags and interrupts as the first one."""
    uart = started((FCR, 0x41), (IER, 0xF))
    uart.receive(data, burst=True)
    for _ in range(reads):
        uart.read(RBR, 1)
    other = Uart16550()
    other.restore(json.loads(json.dumps(uart.snapshot())))
    for _ in range(20):
        assert [uart.read(i, 1) for i in (LSR, IIR, RBR)] == [other.read(i, 1) for i in (LSR, IIR, RBR)]
        assert uart.irq.level == other.irq.level


@given(st.lists(st.tuples(st.integers(0, 7), st.one_of(st.none(), st.integers(0, 0xFF))), max_size=30))
def test_wide_registers_are_the_same_further_apart(accesses: list[tuple[int, int | None]]) -> None:
    """Of the same accesses, as bytes and as words, both answer the same."""
    narrow, wide = Uart16550(), Uart16550Wide()
    for uart in (narrow, wide):
        uart.receive(bytes(range(100, 120)), burst=True)
    for number, (index, value) in enumerate(accesses):
        width = 4 if number % 2 else 1
        if value is None:
            assert narrow.read(index, 1) == wide.read(4 * index, width)
        else:
            narrow.write(index, 1, value)
            wide.write(4 * index, width, value | 0xABCDEF00 * (width == 4))
    assert (narrow.sent, narrow.irq.level) == (wide.sent, wide.irq.level)
    assert wide.layout.extent == 32


def test_wrong_arguments() -> None:
    """A crystal of no frequency is refused."""
    with pytest.raises(ValueError, match="clock_hz is an int, from 1 up, not 0"):
        Uart16550(0)


DRIVER = """
#include <stdint.h>

/* A UART whose registers are words. */
void open(volatile uint32_t *uart)
{
    uart[3] = 0x83;
    uart[0] = 1;
    uart[1] = 0;
    uart[3] = 0x03;
    uart[2] = 0x07;
}

int echo_line(volatile uint32_t *uart)
{
    for (int count = 0;; count++) {
        while (!(uart[5] & 1))
            ;
        uint32_t c = uart[0];
        while (!(uart[5] & 0x20))
            ;
        uart[0] = c;
        if (c == '\\n')
            return count;
    }
}
"""


def test_a_driver_in_c(tmp_path: Path) -> None:
    """A compiled driver of the wide UART polls its way through a line."""
    driver = compile_c(DRIVER, tmp_path)
    uart = Uart16550Wide()
    with mmio.ioremap(uart, length=0x1000) as mapping:
        driver.open(mapping)
        uart.receive(b"a line longer than the FIFO\n")
        assert driver.echo_line(mapping) == 27
        assert (uart.take(), uart.pending) == (b"a line longer than the FIFO\n", 0)
