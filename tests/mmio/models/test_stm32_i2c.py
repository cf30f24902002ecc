"""The STM32F4's I2C controller as a master: the sequences of the manual, and what the chips at the bus see of them."""

import ctypes
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmio
from mmio.models.eeprom_24c import Eeprom24C
from mmio.models.limits import NotModelled
from mmio.models.stm32_i2c import ADDR, AF, BTF, RXNE, SB, TXE, Stm32I2c
from tests.mmio.models.i2c_driver import ACK, CCR, CR1, CR2, DR, PE, SR1, SR2, START, STOP, TRISE, Driver, Nack
from tests.native import compile_c

ITERREN, ITEVTEN, ITBUFEN = 0x100, 0x200, 0x400


class Chip:
    """A chip that counts upwards when it is read, refuses bytes from some number on, and notes everything."""

    def __init__(self, refuses: int = 1000, *, absent: bool = False) -> None:
        self.log: list[str] = []
        self.refuses = refuses
        self.absent = absent
        self.next = 0

    def start(self, read: bool) -> bool:
        self.log.append("read" if read else "write")
        return not self.absent

    def write(self, byte: int) -> bool:
        self.log.append(f"{byte:02x}")
        self.refuses -= 1
        return self.refuses >= 0

    def read(self) -> int:
        self.next += 1
        return self.next & 0xFF

    def stop(self) -> None:
        self.log.append("stop")


@pytest.fixture
def chip() -> Chip:
    return Chip()


def wired(chip: Chip) -> Driver:
    """Return a driver of a controller that has the chip at 0x42."""
    i2c = Stm32I2c()
    i2c.attach(0x42, chip)
    return Driver(i2c)


def test_reset_values() -> None:
    """All is 0 but TRISE (27.6.9)."""
    i2c = Stm32I2c()
    assert [i2c.read(offset, 4) for offset in range(0, 0x28, 4)] == [0] * 8 + [2, 0]


@given(st.binary(max_size=20))
def test_bytes_are_sent_in_order(data: bytes) -> None:
    """A chip gets the bytes between a start and a stop, once each."""
    chip = Chip()
    driver = wired(chip)
    driver.send(0x42, data)
    assert chip.log == ["write", *(f"{byte:02x}" for byte in data), "stop"]
    assert driver.i2c.read(SR2, 4) == 0


@given(st.integers(1, 12), st.booleans())
def test_as_many_bytes_are_read_as_are_asked_for(count: int, simply: bool) -> None:
    """Each of the manual's ways to read one, two or more bytes takes exactly so many from the chip."""
    chip = Chip()
    driver = wired(chip)
    receive = driver.receive_simply if simply else driver.receive
    assert receive(0x42, count) == bytes(range(1, count + 1))
    assert (chip.next, chip.log) == (count, ["read", "stop"])
    assert receive(0x42, count) == bytes(range(count + 1, 2 * count + 1))
    assert not driver.i2c.read(SR1, 4)


def test_a_repeated_start(chip: Chip) -> None:
    """A start without a stop before it addresses again."""
    driver = wired(chip)
    driver.send(0x42, b"\x07", stop=False)
    assert driver.receive(0x42, 3) == b"\1\2\3"
    assert chip.log == ["write", "07", "read", "stop"]


def test_a_start_for_another_chip_ends_the_first(chip: Chip) -> None:
    """The first chip sees the end of its part, and the second nothing of it."""
    driver = wired(chip)
    other = Chip()
    driver.i2c.attach(0x43, other)
    driver.send(0x42, b"\x07", stop=False)
    driver.send(0x43, b"\x08")
    assert (chip.log, other.log) == (["write", "07", "stop"], ["write", "08", "stop"])


@pytest.mark.parametrize("address", [0x42, 0x50])
def test_an_address_that_is_not_acknowledged(address: int) -> None:
    """AF and no ADDR, whether the chip is busy or there is none."""
    driver = wired(Chip(absent=True))
    with pytest.raises(Nack):
        driver.send(address, b"x")
    assert (driver.i2c.read(SR1, 4), driver.i2c.read(SR2, 4)) == (0, 0)


def test_a_byte_that_is_not_acknowledged() -> None:
    """AF after the byte; the rest is not sent."""
    chip = Chip(refuses=2)
    driver = wired(chip)
    with pytest.raises(Nack):
        driver.send(0x42, b"abcd")
    assert chip.log == ["write", "61", "62", "63", "stop"]


def test_flags_of_a_transmission(chip: Chip) -> None:
    """SB, ADDR, TXE, BTF and AF come and go as the sequence chart has them (figure 243)."""
    i2c = wired(chip).i2c
    i2c.write(CR1, 4, PE | START)
    assert (i2c.read(CR1, 4), i2c.read(SR1, 4), i2c.read(SR2, 4)) == (PE, SB, 3)
    i2c.write(DR, 4, 0x84)
    assert i2c.read(SR1, 4) == ADDR
    assert i2c.read(SR2, 4) == 7
    assert i2c.read(SR1, 4) == TXE
    i2c.write(DR, 4, 1)
    assert i2c.read(SR1, 4) == TXE | BTF
    chip.refuses = 0
    i2c.write(DR, 4, 2)
    assert i2c.read(SR1, 4) == AF
    i2c.write(CR1, 4, PE | STOP)
    i2c.write(SR1, 4, 0)
    assert (i2c.read(CR1, 4), i2c.read(SR1, 4), i2c.read(SR2, 4)) == (PE, 0, 0)


def test_flags_are_cleared_as_the_manual_says(chip: Chip) -> None:
    """SB needs a read of SR1 before the address, ADDR one before that of SR2."""
    i2c = wired(chip).i2c
    i2c.write(CR1, 4, PE | START)
    i2c.write(DR, 4, 0x84)
    assert chip.log == []
    assert i2c.read(SR1, 4) == SB
    i2c.write(DR, 4, 0x84)
    i2c.read(SR2, 4)
    assert i2c.read(SR1, 4) == ADDR


def test_no_byte_comes_before_addr_is_cleared(chip: Chip) -> None:
    """The controller holds the bus while ADDR is set, for a stop that is asked for too."""
    i2c = wired(chip).i2c
    i2c.write(CR1, 4, PE | START)
    i2c.read(SR1, 4)
    i2c.write(DR, 4, 0x85)
    i2c.write(CR1, 4, PE | STOP)
    assert i2c.read(SR1, 4) == ADDR
    assert (chip.next, chip.log) == (0, ["read"])
    i2c.read(SR2, 4)
    assert (i2c.read(SR1, 4), i2c.read(DR, 4), chip.log) == (RXNE, 1, ["read", "stop"])


def interrupt_driven(i2c: Stm32I2c, count: int) -> list[int]:
    """Receive bytes by interrupts alone, as an event handler does."""
    got: list[int] = []

    def handler() -> None:
        status = i2c.read(SR1, 4)
        if status & SB:
            i2c.write(DR, 4, 0x85)
        elif status & ADDR:
            if count == 1:
                i2c.write(CR1, 4, PE)
            i2c.read(SR2, 4)
            if count == 1:
                i2c.write(CR1, 4, PE | STOP)
        elif status & RXNE:
            got.append(i2c.read(DR, 4))
            if len(got) == count - 1:
                i2c.write(CR1, 4, PE | STOP)
            elif len(got) == count:
                i2c.write(CR2, 4, 0)

    with_interrupt = mmio.Interrupt(i2c.event_irq, handler)
    i2c.write(CR2, 4, ITEVTEN | ITBUFEN)
    i2c.write(CR1, 4, PE | ACK | START)
    with_interrupt.close()
    return got


@pytest.mark.parametrize("count", [1, 2, 5])
def test_reception_by_interrupts(chip: Chip, count: int) -> None:
    """The event line stays up until all has been taken, and is down then."""
    i2c = wired(chip).i2c
    assert interrupt_driven(i2c, count) == list(range(1, count + 1))
    assert (chip.next, chip.log, i2c.event_irq.level) == (count, ["read", "stop"], False)


def test_the_error_interrupt() -> None:
    """AF raises the error line while ITERREN, and a written 0 ends it."""
    i2c = wired(Chip(absent=True)).i2c
    i2c.write(CR2, 4, ITERREN)
    i2c.write(CR1, 4, PE | START)
    i2c.read(SR1, 4)
    i2c.write(DR, 4, 0x84)
    assert (i2c.error_irq.level, i2c.event_irq.level) == (True, False)
    i2c.write(SR1, 4, 0)
    assert not i2c.error_irq.level


def test_only_btf_is_an_event_without_itbufen(chip: Chip) -> None:
    """TXE alone raises no interrupt without ITBUFEN; BTF does."""
    i2c = wired(chip).i2c
    i2c.write(CR2, 4, ITEVTEN)
    i2c.write(CR1, 4, PE | START)
    i2c.read(SR1, 4)
    i2c.write(DR, 4, 0x84)
    i2c.read(SR1, 4)
    i2c.read(SR2, 4)
    assert not i2c.event_irq.level
    i2c.write(DR, 4, 1)
    assert i2c.event_irq.level


def test_one_byte_is_no_event_without_itbufen(chip: Chip) -> None:
    """A byte that is refused has none behind it, so BTF cannot come, and no interrupt is raised for it."""
    i2c = wired(chip).i2c
    i2c.write(CR2, 4, ITEVTEN)
    i2c.write(CR1, 4, PE | START)
    i2c.read(SR1, 4)
    i2c.write(DR, 4, 0x85)
    i2c.read(SR1, 4)
    i2c.read(SR2, 4)
    assert not i2c.event_irq.level
    assert i2c.read(SR1, 4) == RXNE


@pytest.mark.parametrize(("value", "tells"), [(0, "PE"), (0x8000 | PE, "SWRST")])
def test_switching_off_leaves_the_bus(chip: Chip, value: int, tells: str) -> None:
    """The chip sees a stop, and no flag is left."""
    driver = wired(chip)
    driver.send(0x42, b"a", stop=False)
    driver.i2c.write(TRISE, 4, 9)
    driver.i2c.write(CR1, 4, value)
    assert (chip.log[-1], driver.i2c.read(SR1, 4), driver.i2c.read(SR2, 4)) == ("stop", 0, 0)
    assert driver.i2c.read(TRISE, 4) == (2 if tells == "SWRST" else 9)


@pytest.mark.parametrize(
    ("freq", "ccr", "speed"), [(16, 80, 100_000), (16, 0x8000 | 14, 380_952), (10, 0xC001, 400_000), (16, 0, 0)]
)
def test_speed(freq: int, ccr: int, speed: float) -> None:
    """The frequency of SCL is what FREQ, CCR, FS and DUTY say (27.6.8)."""
    i2c = Stm32I2c()
    i2c.write(CR2, 4, freq)
    i2c.write(CCR, 4, ccr)
    assert i2c.speed == pytest.approx(speed, rel=1e-4)


def test_ten_bits_are_refused(chip: Chip) -> None:
    """A header of an address of ten bits is an error, not a chip that is not there."""
    with pytest.raises(NotModelled, match="ten bits"):
        wired(chip).send(0x78, b"")


def test_a_snapshot_in_the_middle(chip: Chip) -> None:
    """A controller continues after a restore where it was: here with the second byte of three."""
    driver = wired(chip)
    driver.send(0x42, b"a", stop=False)
    state = json.loads(json.dumps(driver.i2c.snapshot()))
    driver.control(STOP)
    other = Driver(Stm32I2c())
    other.i2c.attach(0x42, chip)
    other.i2c.restore(state)
    other.i2c.write(DR, 4, 0x62)
    other.control(STOP)
    assert chip.log == ["write", "61", "stop", "62", "stop"]


def test_wrong_arguments(chip: Chip) -> None:
    """An address of eight bits, one that is taken, and a chip that is none are refused."""
    i2c = wired(chip).i2c
    with pytest.raises(ValueError, match=r"address is an int, 0\.\.0x77, not 160"):
        i2c.attach(0xA0, Chip())
    with pytest.raises(ValueError, match="address 0x42 is taken by"):
        i2c.attach(0x42, Chip())
    with pytest.raises(TypeError, match="a target has start"):
        i2c.attach(0x43, object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no chip is at 80; there are: 0x42"):
        i2c.detach(0x50)
    i2c.detach(0x42)
    i2c.attach(0x42, Chip())


DRIVER = """
#include <stdint.h>

typedef struct { volatile uint32_t CR1, CR2, OAR1, OAR2, DR, SR1, SR2, CCR, TRISE; } I2C;
enum { PE = 1, START = 1 << 8, STOP = 1 << 9, ACK = 1 << 10 };
enum { SB = 1, ADDR = 2, BTF = 4, RXNE = 1 << 6, TXE = 1 << 7, AF = 1 << 10 };

static int address(I2C *i2c, unsigned byte)
{
    uint32_t status;
    i2c->CR1 |= START | ACK;
    while (!(i2c->SR1 & SB))
        ;
    i2c->DR = byte;
    while (!((status = i2c->SR1) & (ADDR | AF)))
        ;
    if (status & AF) {
        i2c->SR1 = ~AF;
        i2c->CR1 |= STOP;
        return -1;
    }
    return 0;
}

int eeprom_read(I2C *i2c, unsigned at, uint8_t *data, int count)
{
    if (address(i2c, 0xa0))
        return -1;
    (void)i2c->SR2;
    i2c->DR = at;
    while (!(i2c->SR1 & BTF))
        ;
    if (address(i2c, 0xa1))
        return -1;
    if (count == 1)
        i2c->CR1 &= ~ACK;
    (void)i2c->SR2;
    for (int i = 0; i < count; i++) {
        if (i == count - 1)
            i2c->CR1 = (i2c->CR1 & ~ACK) | STOP;
        while (!(i2c->SR1 & RXNE))
            ;
        data[i] = i2c->DR;
    }
    return count;
}

/* Write inside one page; the number of times the chip was busy before. */
int eeprom_write(I2C *i2c, unsigned at, const uint8_t *data, int count, void (*wait)(void))
{
    int polls = 0;
    while (address(i2c, 0xa0)) {
        polls++;
        wait();
    }
    (void)i2c->SR2;
    i2c->DR = at;
    for (int i = 0; i < count; i++) {
        while (!(i2c->SR1 & TXE))
            ;
        i2c->DR = data[i];
    }
    while (!(i2c->SR1 & BTF))
        ;
    i2c->CR1 |= STOP;
    return polls;
}
"""


def test_a_driver_in_c_with_an_eeprom(tmp_path: Path) -> None:
    """A compiled driver writes a page, polls until the chip answers again, and reads back what it wrote."""
    driver = compile_c(DRIVER, tmp_path)
    i2c, eeprom = Stm32I2c(), Eeprom24C(256, write_time=3_000_000)
    i2c.attach(0x50, eeprom)
    wait = ctypes.CFUNCTYPE(None)(lambda: i2c.clock.run_for(1_000_000))
    data = ctypes.create_string_buffer(5)
    with mmio.ioremap(i2c, length=0x400) as mapping:
        i2c.cr1.write(PE)
        assert driver.eeprom_write(mapping, 0x10, b"abcde", 5, wait) == 0
        assert driver.eeprom_write(mapping, 0x18, b"xy", 2, wait) == 3
        i2c.clock.run_for(3_000_000)
        assert driver.eeprom_read(mapping, 0x10, data, 5) == 5
        assert data.raw == b"abcde"
        assert driver.eeprom_read(mapping, 0x18, data, 1) == 1
        assert data.raw == b"xbcde"
    assert bytes(eeprom.contents[0x10:0x1A]) == b"abcde\xff\xff\xffxy"
