"""The STM32F4's SPI controller as a master: frames, flags, chip select."""

import ctypes
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmio
from mmio.models.limits import NotModelled
from mmio.models.spi_flash import SpiFlash
from mmio.models.stm32_gpio import Stm32Gpio
from mmio.models.stm32_spi import MODF, OVR, RXNE, TXE, Stm32Spi
from tests.native import compile_c

CR1, CR2, SR, DR = 0, 4, 8, 0xC
SPE, MSTR, SSM, SSI, DFF, LSBFIRST = 0x40, 0x04, 0x200, 0x100, 0x800, 0x80
MASTER = SPE | MSTR | SSM | SSI


class Echo:
    """A chip that answers each byte with the one before it, and notes everything."""

    def __init__(self) -> None:
        self.log: list[int | str] = []
        self.last = 0xEE

    def select(self) -> None:
        self.log.append("select")

    def exchange(self, byte: int) -> int:
        self.log.append(byte)
        answer, self.last = self.last, byte
        return answer

    def deselect(self) -> None:
        self.log.append("deselect")


def master(control: int = MASTER) -> tuple[Stm32Spi, Echo]:
    """Return a master with a chip at its NSS."""
    spi, echo = Stm32Spi(), Echo()
    spi.attach(echo)
    spi.write(CR1, 4, control)
    return spi, echo


def test_reset_values() -> None:
    """TXE is set, and CRCPR and I2SPR have their values (28.5)."""
    spi = Stm32Spi()
    assert [spi.read(offset, 4) for offset in range(0, 0x24, 4)] == [0, 0, TXE, 0, 7, 0, 0, 0, 2]


@given(st.binary(min_size=1, max_size=30))
def test_bytes_go_both_ways_in_order(data: bytes) -> None:
    """Each byte that is written is answered in DR."""
    spi, echo = master()
    got = []
    for byte in data:
        assert spi.read(SR, 4) == TXE
        spi.write(DR, 1, byte)
        assert spi.read(SR, 4) == TXE | RXNE
        got.append(spi.read(DR, 1))
    assert echo.log == ["select", *data]
    assert bytes(got) == b"\xee" + data[:-1]


@given(st.lists(st.integers(0, 0xFFFF), min_size=1), st.booleans())
def test_frames_of_sixteen_bits(frames: list[int], reverse: bool) -> None:
    """A frame is two bytes, the higher first; LSBFIRST turns all of it around, in both directions."""
    spi, echo = master(MASTER | DFF | LSBFIRST * reverse)
    got = []
    for frame in frames:
        spi.write(DR, 2, frame)
        got.append(spi.read(DR, 2))
    wire = "".join(f"{frame:016b}"[:: -1 if reverse else 1] for frame in frames)
    assert "".join(f"{byte:08b}" for byte in echo.log[1:]) == wire
    echoed = f"{0xEE:08b}{wire[:-8]}"
    parts = [echoed[i : i + 16][:: -1 if reverse else 1] for i in range(0, len(echoed), 16)]
    assert got == [int(part, 2) for part in parts]


def test_an_overrun() -> None:
    """A frame that finds the last one unread is lost; DR, then SR clears OVR (28.3.10)."""
    spi, echo = master()
    spi.write(DR, 4, 1)
    spi.write(DR, 4, 2)
    assert spi.read(SR, 4) == TXE | RXNE | OVR
    assert spi.read(DR, 4) == 0xEE
    assert spi.read(SR, 4) == TXE | OVR
    assert spi.read(SR, 4) == TXE
    assert echo.log == ["select", 1, 2]


def test_another_overrun_needs_another_read_of_dr() -> None:
    """A read of DR before the overrun does not count for it."""
    spi, _ = master()
    for frame in (1, 2):
        spi.write(DR, 4, frame)
    spi.read(DR, 4)
    for frame in (3, 4):
        spi.write(DR, 4, frame)
    spi.read(SR, 4)
    assert spi.read(SR, 4) == TXE | RXNE | OVR


def test_nothing_happens_while_it_is_off() -> None:
    """Without SPE no frame is exchanged."""
    spi, echo = master(MASTER & ~SPE)
    spi.write(DR, 4, 1)
    assert (echo.log, spi.read(SR, 4)) == ([], TXE)


def test_a_mode_fault() -> None:
    """A master whose SSI says that it is selected stops being one; SR, then CR1 clears MODF."""
    spi, _ = master(SPE | MSTR | SSM)
    assert (spi.read(CR1, 4), spi.read(SR, 4)) == (SSM, TXE | MODF)
    spi.write(CR1, 4, MASTER)
    assert (spi.read(CR1, 4), spi.read(SR, 4)) == (MASTER, TXE)


def test_a_pin_selects() -> None:
    """A chip with a pin is selected while that is low, whatever the controller does."""
    gpio, spi, first, second = Stm32Gpio(), Stm32Spi(), Echo(), Echo()
    gpio.write(0x18, 4, 0x3)
    gpio.write(0x00, 4, 0x5)
    spi.attach(first, gpio.pins[0])
    spi.attach(second, gpio.pins[1])
    spi.write(CR1, 4, MASTER)
    assert first.log == second.log == []
    gpio.write(0x18, 4, 1 << 17)
    spi.write(DR, 4, 7)
    gpio.write(0x18, 4, 1 << 1)
    spi.read(DR, 4)
    spi.write(DR, 4, 8)
    assert (first.log, second.log) == ([], ["select", 7, "deselect"])
    assert spi.read(DR, 4) == 0xFF  # no chip drives the line


def test_nss_selects() -> None:
    """A chip without a pin is selected while the controller is on."""
    spi, echo = master()
    spi.write(CR1, 4, MASTER & ~SPE)
    spi.write(CR1, 4, MASTER)
    spi.reset()
    assert echo.log == ["select", "deselect"] * 2


def test_interrupts() -> None:
    """TXEIE, RXNEIE and ERRIE pass their flags on."""
    spi, _ = master()
    assert not spi.irq.level
    spi.write(CR2, 4, 0x80)
    assert spi.irq.level
    spi.write(CR2, 4, 0x40)
    assert not spi.irq.level
    spi.write(DR, 4, 1)
    assert spi.irq.level
    spi.write(CR2, 4, 0x20)
    assert not spi.irq.level
    spi.write(DR, 4, 1)
    assert spi.irq.level
    spi.read(DR, 4)
    spi.read(SR, 4)
    assert not spi.irq.level


def test_dma_requests_go_in_step() -> None:
    """While a frame is to be fetched, no other is asked for."""
    spi, _ = master()
    spi.write(CR2, 4, 3)
    assert (spi.tx_dma.level, spi.rx_dma.level) == (True, False)
    spi.write(DR, 4, 1)
    assert (spi.tx_dma.level, spi.rx_dma.level) == (False, True)
    spi.read(DR, 4)
    assert (spi.tx_dma.level, spi.rx_dma.level) == (True, False)


def test_speed() -> None:
    """SCK is the clock, divided by 2 to 256."""
    spi = Stm32Spi(84_000_000)
    assert spi.speed == 42_000_000
    spi.write(CR1, 4, 7 << 3)
    assert spi.speed == 84_000_000 / 256


@pytest.mark.parametrize(
    ("offset", "value", "what"),
    [
        (CR1, 0x8000, "BIDIMODE"),
        (CR1, 0x2000, "CRCEN"),
        (CR1, 0x400, "RXONLY"),
        (CR2, 0x10, "FRF"),
        (0x1C, 0x800, "I2S"),
    ],
)
def test_what_is_not_modelled_is_an_error(offset: int, value: int, what: str) -> None:
    """A mode that would do something else is refused, and nothing changes."""
    spi = Stm32Spi()
    with pytest.raises(NotModelled, match=what):
        spi.write(offset, 4, value)
    assert spi.read(offset, 4) == 0


def test_a_slave_is_not_modelled() -> None:
    """A slave that has something to send would wait for ever."""
    spi, _ = master(SPE)
    with pytest.raises(NotModelled, match="slave"):
        spi.write(DR, 4, 1)


def test_a_snapshot_has_the_frame() -> None:
    """A restored controller has what had been received, and its overrun."""
    spi, _ = master()
    spi.write(DR, 4, 1)
    spi.write(DR, 4, 2)
    other = Stm32Spi()
    other.restore(json.loads(json.dumps(spi.snapshot())))
    assert (other.read(SR, 4), other.read(DR, 4)) == (TXE | RXNE | OVR, 0xEE)


def test_wrong_arguments() -> None:
    """A chip and a pin that are none are refused."""
    with pytest.raises(TypeError, match="a target has select"):
        Stm32Spi().attach(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"select is a pin, with level and watch\(call\), not 4"):
        Stm32Spi().attach(Echo(), 4)  # type: ignore[arg-type]


DRIVER = """
#include <stdint.h>

typedef struct { volatile uint32_t CR1, CR2, SR, DR; } SPI;
typedef struct { volatile uint32_t MODER, OTYPER, OSPEEDR, PUPDR, IDR, ODR, BSRR; } GPIO;

static uint8_t exchange(SPI *spi, uint8_t byte)
{
    while (!(spi->SR & 2))
        ;
    *(volatile uint8_t *)&spi->DR = byte;
    while (!(spi->SR & 1))
        ;
    return spi->DR;
}

void flash_open(SPI *spi, GPIO *gpio)
{
    gpio->BSRR = 1 << 4;
    gpio->MODER |= 1 << 8;
    spi->CR1 = 0x344;
}

/* One command: `out` bytes sent, then `in` bytes received. */
void flash_command(SPI *spi, GPIO *gpio, const uint8_t *send, int out, uint8_t *data, int in)
{
    gpio->BSRR = 1 << 20;
    for (int i = 0; i < out; i++)
        exchange(spi, send[i]);
    for (int i = 0; i < in; i++)
        data[i] = exchange(spi, 0xff);
    gpio->BSRR = 1 << 4;
}
"""


def test_a_flash_driver_in_c(tmp_path: Path) -> None:
    """A compiled driver identifies, programs and reads a flash chip, with its chip select on a pin."""
    driver = compile_c(DRIVER, tmp_path)
    spi, gpio, flash = Stm32Spi(), Stm32Gpio("A"), SpiFlash()
    spi.attach(flash, gpio.pins[4])
    with (
        mmio.ioremap(spi, length=0x400, name="spi") as spi_at,
        mmio.ioremap(gpio, length=0x400, name="gpio") as gpio_at,
    ):

        def command(send: bytes, count: int = 0) -> bytes:
            data = ctypes.create_string_buffer(count)
            driver.flash_command(spi_at, gpio_at, send, len(send), data, count)
            return data.raw

        driver.flash_open(spi_at, gpio_at)
        assert command(b"\x9f", 3) == b"\xef\x40\x14"
        command(b"\x06")
        command(b"\x02\x00\x01\x00hello")
        assert command(b"\x05", 2) == b"\x03\x03"
        spi.clock.run_for(700_000)
        assert command(b"\x05", 1) == b"\x00"
        assert command(b"\x03\x00\x00\xff", 7) == b"\xffhello\xff"
