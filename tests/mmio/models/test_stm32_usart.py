"""The STM32F4's USART: flags, their clearing, the line at either end, time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmio
from mmio.models.stm32_usart import FE, IDLE, NF, ORE, PE, RXNE, TC, TXE, Stm32Usart
from tests.native import compile_c

SR, DR, BRR, CR1, CR2, CR3 = range(0, 0x18, 4)
UE, TE, RE, RXNEIE, TCIE, TXEIE, PCE, M, OVER8 = (1 << i for i in (13, 3, 2, 5, 6, 7, 10, 12, 15))


def started(*, timed: bool = False, cr1: int = UE | TE | RE) -> Stm32Usart:
    """Return a USART as a driver sets it up: 16 MHz / 139, which is nearly 115200 baud."""
    usart = Stm32Usart(timed=timed)
    usart.write(BRR, 4, 139)
    usart.write(CR1, 4, cr1)
    return usart


def poll(usart: Stm32Usart) -> bytes:
    """Read what there is as a polling driver does."""
    data = bytearray()
    while usart.read(SR, 4) & RXNE:
        data.append(usart.read(DR, 4))
    return bytes(data)


def test_reset_values() -> None:
    """The transmitter is empty after reset, and all else is zero (30.6.8)."""
    usart = Stm32Usart()
    assert [usart.read(offset, 4) for offset in range(0, 0x1C, 4)] == [TXE | TC, 0, 0, 0, 0, 0, 0]


@given(st.binary(max_size=60))
def test_everything_arrives_in_order(data: bytes) -> None:
    """Patient characters are all there, in order, and no error is flagged."""
    usart = started()
    usart.receive(data)
    assert poll(usart) == data
    assert not usart.read(SR, 4) & (ORE | FE | NF | PE)
    assert usart.pending == 0


@given(st.binary(max_size=60))
def test_everything_is_sent_in_order(data: bytes) -> None:
    """What is written is on the wire, in order."""
    usart = started()
    for byte in data:
        assert usart.read(SR, 4) & TXE
        usart.write(DR, 1, byte)
    assert (usart.sent, usart.take(), usart.sent) == (data, data, b"")


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=4), st.none()), max_size=30))
def test_a_burst_loses_nothing_unflagged(steps: list[bytes | None]) -> None:
    """Of bursts, what is read is what came in order, and what is missing was flagged as an overrun."""
    usart = started()
    read, sent, overruns = bytearray(), bytearray(), 0
    for step in steps:
        if step is not None:
            usart.receive(step, burst=True)
            sent += step
        elif (status := usart.read(SR, 4)) & RXNE:
            overruns += bool(status & ORE)
            read.append(usart.read(DR, 4))
    left = iter(sent)
    assert all(byte in left for byte in read)
    waiting = bool(usart.read(SR, 4) & RXNE)
    if len(read) + waiting < len(sent):
        assert overruns or usart.read(SR, 4) & ORE
    else:
        assert not overruns


def test_an_overrun_keeps_the_first() -> None:
    """ORE says that a character was lost: RDR has the old one. A read of SR, then of DR clears it (30.3.3)."""
    usart = started()
    usart.receive(b"ab", burst=True)
    assert usart.read(SR, 4) & (RXNE | ORE) == RXNE | ORE
    assert usart.read(DR, 4) == ord("a")
    assert not usart.read(SR, 4) & (RXNE | ORE)


def test_flags_are_cleared_in_the_order_of_the_manual() -> None:
    """A read of DR alone clears RXNE only; one of SR has to come before it to clear an error."""
    usart = started()
    usart.receive_error("framing", "noise", data=b"x")
    usart.read(DR, 4)
    assert usart.read(SR, 4) & (RXNE | FE | NF | IDLE) == FE | NF | IDLE
    usart.read(DR, 4)
    assert not usart.read(SR, 4) & (FE | NF | IDLE)


def test_a_look_at_sr_counts_once() -> None:
    """The read of DR that clears a flag uses the read of SR up: the next error needs another one."""
    usart = started()
    for _ in range(2):
        usart.receive_error("framing")
        usart.read(SR, 4)
        usart.read(DR, 4)
        usart.receive_error("framing")
        usart.read(DR, 4)
        assert usart.read(SR, 4) & FE
        usart.read(DR, 4)


def test_a_flag_that_was_not_seen_is_not_cleared() -> None:
    """IDLE that comes between the read of SR and that of DR stays."""
    usart = started()
    usart.receive(b"x")
    assert not usart.read(SR, 4) & IDLE
    usart.read(DR, 4)
    assert usart.read(SR, 4) & IDLE


@pytest.mark.parametrize(
    ("errors", "flags"),
    [
        (("framing",), FE),
        (("noise",), NF),
        (("break",), FE),
        (("overrun",), ORE),
        (("parity",), 0),  # there is no parity bit to be wrong
    ],
)
def test_errors_on_the_line(errors: tuple[str, ...], flags: int) -> None:
    """Each error has its flag, beside RXNE."""
    usart = started()
    usart.receive_error(*errors)
    assert usart.read(SR, 4) & ~(TXE | TC) == flags | RXNE


@pytest.mark.parametrize(("odd", "wrong", "received"), [(0, False, 0x57), (1, False, 0xD7), (0, True, 0xD7)])
def test_parity(odd: int, wrong: bool, received: int) -> None:
    """The parity bit is above the seven that are left for data; PE tells a wrong one (30.3.7)."""
    usart = started(cr1=UE | TE | RE | PCE | odd << 9)
    if wrong:
        usart.receive_error("parity", data=b"\x57")
    else:
        usart.receive(b"\x57")
    assert bool(usart.read(SR, 4) & PE) == wrong
    assert usart.read(DR, 4) == (received ^ 0x80 if 0x57.bit_count() & 1 else received)


def test_nothing_moves_while_it_is_off() -> None:
    """UE, TE and RE gate the line: a character written is none, a burst is lost, patient ones wait."""
    usart = started(cr1=0)
    usart.write(DR, 4, 0x41)
    usart.receive(b"lost", burst=True)
    usart.receive(b"kept")
    assert (usart.read(SR, 4), usart.sent, usart.pending) == (TXE | TC, b"", 4)
    usart.write(CR1, 4, UE | TE)
    assert usart.pending == 4
    usart.write(CR1, 4, UE | RE)
    assert (poll(usart), usart.sent) == (b"kept", b"")


@pytest.mark.parametrize(("brr", "over8", "baud"), [(0x683, 0, 9600), (139, 0, 115_107.9), (0x683, 1, 19_161.7)])
def test_baud(brr: int, over8: int, baud: float) -> None:
    """BRR is a fixed-point divider; with OVER8 its fraction has three bits (30.3.4)."""
    usart = Stm32Usart(16_000_000)
    assert usart.baud == 0
    usart.write(BRR, 4, brr)
    usart.write(CR1, 4, OVER8 * over8)
    assert usart.baud == pytest.approx(baud, rel=1e-3)


def test_interrupts_follow_flags_and_enables() -> None:
    """Each enable passes its flag on to the line."""
    usart = started()
    assert not usart.irq.level
    for enable, flag in ((TXEIE, True), (TCIE, True), (RXNEIE, False)):
        usart.write(CR1, 4, UE | TE | RE | enable)
        assert usart.irq.level == flag
    usart.receive(b"x")
    assert usart.irq.level
    usart.read(DR, 4)
    assert not usart.irq.level


@pytest.mark.parametrize(
    ("offset", "enable", "error"),
    [(CR1, 1 << 4, None), (CR1, 1 << 8 | PCE, "parity"), (CR3, 1 | 1 << 6, "framing"), (CR3, 1 | 1 << 6, "noise")],
)
def test_interrupts_of_silence_and_errors(offset: int, enable: int, error: str | None) -> None:
    """IDLEIE, PEIE and EIE pass their flags on, and a read of SR, then of DR ends them."""
    usart = started()
    usart.write(offset, 4, (UE | TE | RE) * (offset == CR1) | enable)
    if error:
        usart.receive_error(error)
    else:
        usart.receive(b"x")
        usart.read(DR, 4)
    assert usart.irq.level
    usart.read(SR, 4)
    usart.read(DR, 4)
    assert not usart.irq.level


def test_errors_interrupt_with_dma_only() -> None:
    """EIE has no effect without DMAR: RXNE tells of the character then (30.6.6)."""
    usart = started()
    usart.write(CR3, 4, 1)
    usart.receive_error("framing")
    assert not usart.irq.level


def test_tc_is_cleared_by_a_read_of_sr_and_a_write_of_dr() -> None:
    """Without the read TC stays set while the character is leaving; a read of DR in between does not count."""
    usart = started(timed=True)
    usart.write(DR, 4, 0x61)
    assert usart.read(SR, 4) & TC
    usart.read(DR, 4)
    usart.write(DR, 4, 0x62)
    assert not usart.read(SR, 4) & TC
    usart.clock.run_for(10**6)
    usart.receive(b"xy", timed=False)
    usart.read(SR, 4)
    usart.write(DR, 4, 0x63)
    usart.clock.run_for(10**6)
    usart.write(DR, 4, 0x64)
    assert usart.read(SR, 4) & TC


def test_zeros_acknowledge() -> None:
    """TC and RXNE are cleared by a written zero, TXE and the errors are not (30.6.1)."""
    usart = started()
    usart.receive_error("framing")
    usart.write(SR, 4, 0)
    assert usart.read(SR, 4) == TXE | FE | IDLE


def test_an_interrupt_driven_receiver_gets_all() -> None:
    """A handler that takes one character a call is called for each."""
    usart = started(cr1=UE | RE | RXNEIE)
    got = bytearray()
    interrupt = mmio.Interrupt(usart.irq, lambda: got.append(usart.read(DR, 4)))
    usart.receive(bytes(range(200)))
    assert (bytes(got), interrupt.calls) == (bytes(range(200)), 200)


def test_a_subscriber_may_read_at_once() -> None:
    """A line's subscriber that reads DR inside its own call neither recurses without end nor loses anything."""
    usart = started(cr1=UE | RE | RXNEIE)
    got = bytearray()
    usart.irq.subscribe(lambda level: got.extend([usart.read(DR, 4)] if level else []))
    usart.receive(bytes(5000))
    assert len(got) == 5000


def test_a_handler_may_wait_for_more() -> None:
    """A handler called for the first character can poll for the others."""
    usart = started(cr1=UE | RE | RXNEIE)
    got: list[bytes] = []
    mmio.Interrupt(usart.irq, lambda: got.append(poll(usart)))
    usart.receive(b"a line\n")
    assert b"".join(got) == b"a line\n"


def test_a_handler_may_wait_inside_its_call() -> None:
    """All of a frame may be taken by one call of the handler, which waits for each character."""
    usart = started(cr1=UE | RE | RXNEIE)
    frames: list[bytes] = []

    def handler() -> None:
        frame = bytearray()
        while len(frame) < 4:
            assert usart.read(SR, 4) & RXNE
            frame.append(usart.read(DR, 4))
        frames.append(bytes(frame))

    mmio.Interrupt(usart.irq, handler)
    usart.receive(b"onetwo..")
    assert frames == [b"onet", b"wo.."]


def test_silence_is_counted_from_the_last_character() -> None:
    """What comes within a character time of the last one continues with it: there is no IDLE in between."""
    usart = started(timed=True)
    character = round(10e9 / usart.baud)
    usart.receive(b"a")
    usart.clock.run_for(character + character // 2)
    usart.receive(b"b")
    usart.read(DR, 4)
    usart.clock.run_for(character)
    assert usart.read(SR, 4) & (RXNE | IDLE) == RXNE
    usart.clock.run_for(character)
    assert usart.read(SR, 4) & IDLE


def test_timed_reception_takes_character_times() -> None:
    """A character comes each ten bit times, and one that is not fetched in time is overrun by the next."""
    usart = started()
    usart.receive(b"abc", timed=True)
    character = round(10e9 / usart.baud)
    usart.clock.run_for(character - 1)
    assert not usart.read(SR, 4) & RXNE
    usart.clock.run_for(1)
    assert usart.read(DR, 4) == ord("a")
    usart.clock.run_for(2 * character)
    assert usart.read(SR, 4) & (RXNE | ORE) == RXNE | ORE
    assert (usart.read(DR, 4), usart.pending) == (ord("b"), 0)
    usart.clock.run_for(character - 1)
    assert not usart.read(SR, 4) & IDLE
    usart.clock.run_for(1)
    assert usart.read(SR, 4) & IDLE


def test_timed_transmission_shows_txe_before_tc() -> None:
    """The shift register frees DR at once; TC comes when the last character has left."""
    usart = started(timed=True)
    character = round(10e9 / usart.baud)
    usart.read(SR, 4)
    usart.write(DR, 4, 0x61)
    assert usart.read(SR, 4) & (TXE | TC) == TXE
    usart.write(DR, 4, 0x62)
    assert not usart.read(SR, 4) & (TXE | TC)
    usart.clock.run_for(character)
    assert (usart.sent, usart.read(SR, 4) & (TXE | TC)) == (b"a", TXE)
    usart.clock.run_for(character)
    assert (usart.sent, usart.read(SR, 4) & (TXE | TC)) == (b"ab", TXE | TC)


def test_timed_characters_wait_for_a_baud_rate() -> None:
    """A timed line cannot move before the firmware has set BRR."""
    usart = Stm32Usart(timed=True)
    usart.write(CR1, 4, UE | TE | RE)
    usart.receive(b"x")
    usart.write(DR, 4, 0x79)
    usart.clock.run_for(10**9)
    assert (usart.pending, usart.sent) == (1, b"")
    usart.write(BRR, 4, 139)
    usart.clock.run_for(10**6)
    assert (usart.read(DR, 4), usart.sent) == (ord("x"), b"y")


@pytest.mark.parametrize(("stop", "bits"), [(0, 10.0), (1, 9.5), (2, 11.0), (3, 10.5)])
def test_stop_bits_take_time(stop: int, bits: float) -> None:
    """CR2.STOP lengthens a character (30.3.2)."""
    usart = started(timed=True)
    usart.write(CR2, 4, stop << 12)
    usart.write(DR, 4, 1)
    usart.clock.run_for(round(bits * 1e9 / usart.baud) - 1)
    assert usart.sent == b""
    usart.clock.run_for(1)
    assert usart.sent == b"\x01"


def test_a_blocked_wire_fills_the_transmitter() -> None:
    """One character is in the shift register, one in DR; both leave when the wire is free."""
    usart = started()
    usart.blocked = True
    usart.write(DR, 4, 0x61)
    usart.write(DR, 4, 0x62)
    assert (usart.read(SR, 4) & TXE, usart.sent) == (0, b"")
    usart.blocked = False
    assert (usart.read(SR, 4) & TXE, usart.sent) == (TXE, b"ab")


def test_watchers_may_answer() -> None:
    """A function at the other end hears each character, and may send others."""
    usart = started()
    end = usart.watch(lambda character: usart.receive(bytes([character ^ 0x20])))
    for byte in b"abc":
        usart.write(DR, 4, byte)
    end()
    usart.write(DR, 4, 0x64)
    assert poll(usart) == b"ABC"


def test_dma_requests() -> None:
    """DMAR and DMAT pass RXNE and TXE on to the lines of the DMA controller."""
    usart = started()
    assert not usart.tx_dma.level
    usart.write(CR3, 4, 3 << 6)
    assert usart.tx_dma.level
    assert not usart.rx_dma.level
    usart.receive(b"x")
    assert usart.rx_dma.level
    usart.read(DR, 4)
    assert not usart.rx_dma.level


@pytest.mark.parametrize("after", range(4))
def test_a_snapshot_goes_on_where_it_was_taken(after: int) -> None:
    """A restored USART does what the first did from there on."""
    usart = started(timed=True)
    usart.receive(b"abc")
    usart.write(DR, 4, 0x61)
    usart.write(DR, 4, 0x62)
    usart.clock.run_for(after * 50_000)
    state = json.loads(json.dumps(usart.snapshot()))
    usart.take()

    def future(model: Stm32Usart) -> list[tuple[int, int, bytes]]:
        seen = []
        for _ in range(8):
            model.clock.run_for(30_000)
            seen.append((model.read(SR, 4), model.read(DR, 4), model.sent))
        return seen

    other = Stm32Usart(timed=True)
    other.restore(state)
    assert future(other) == future(usart)


def test_reset_forgets_what_was_under_way() -> None:
    """After reset nothing leaves any more, and the registers are as at the start."""
    usart = started(timed=True)
    usart.write(DR, 4, 0x61)
    usart.reset()
    usart.clock.run_for(10**6)
    assert (usart.sent, usart.read(SR, 4)) == (b"", TXE | TC)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda u: u.receive("text"), TypeError, "characters on the wire are bytes, not 'text'"),
        (lambda u: u.receive(b"", timed=True, burst=True), ValueError, "not both"),
        (lambda u: u.receive_error(), TypeError, "names of errors: overrun, parity"),
        (lambda u: u.receive_error("frame"), ValueError, "is one of overrun, .* not 'frame'"),
        (lambda u: Stm32Usart(0), ValueError, "clock_hz is an int, from 1 up, not 0"),
    ],
)
def test_wrong_arguments(call: Callable[[Any], object], error: type[Exception], message: str) -> None:
    """Each is refused, and the message says what was expected."""
    with pytest.raises(error, match=message):
        call(Stm32Usart())


DRIVER = """
#include <stdint.h>

typedef struct { volatile uint32_t SR, DR, BRR, CR1, CR2, CR3, GTPR; } USART;

void open(USART *usart, uint32_t hz, uint32_t baud)
{
    usart->BRR = (hz + baud / 2) / baud;
    usart->CR1 = 1 << 13 | 1 << 3 | 1 << 2;
}

/* Echo a line in capitals; the number of its characters, or -1 on an error of the line. */
int echo_line(USART *usart)
{
    for (int count = 0;; count++) {
        uint32_t status;
        while (!((status = usart->SR) & (1 << 5)))
            ;
        uint32_t c = usart->DR;
        if (status & 0xf)
            return -1;
        while (!(usart->SR & (1 << 7)))
            ;
        usart->DR = c >= 'a' && c <= 'z' ? c - 32 : c;
        if (c == '\\n') {
            while (!(usart->SR & (1 << 6)))
                ;
            return count;
        }
    }
}
"""


def test_a_polling_driver_in_c(tmp_path: Path) -> None:
    """A compiled driver that polls gets the lines, answers them, and sees an error of the line."""
    driver = compile_c(DRIVER, tmp_path)
    usart = Stm32Usart()
    with mmio.ioremap(usart, length=0x400) as mapping:
        usart.receive(b"hello, board\n")  # before the driver is there: the other end is patient
        driver.open(mapping, 16_000_000, 115_200)
        assert usart.baud == pytest.approx(115_200, rel=2e-3)
        assert driver.echo_line(mapping) == 12
        assert usart.take() == b"HELLO, BOARD\n"
        usart.receive(b"ab")
        usart.receive_error("framing", data=b"c")
        assert driver.echo_line(mapping) == -1
        assert usart.take() == b"AB"
