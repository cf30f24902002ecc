"""The STM32F4's GPIO port: who drives a pin, what the firmware reads, the lock."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.models.stm32_gpio import Stm32Gpio

MODER, OTYPER, OSPEEDR, PUPDR, IDR, ODR, BSRR, LCKR, AFRL, AFRH = range(0, 0x28, 4)
WORD = st.integers(0, 0xFFFF_FFFF)
INPUT, OUTPUT, ALTERNATE, ANALOG = range(4)
KEY = 1 << 16


def port(mode: int = INPUT, *, pull: int = 0, open_drain: bool = False) -> Stm32Gpio:
    """Return a port all of whose pins are configured alike."""
    gpio = Stm32Gpio()
    gpio.write(MODER, 4, 0x5555_5555 * mode)
    gpio.write(PUPDR, 4, 0x5555_5555 * pull)
    gpio.write(OTYPER, 4, 0xFFFF * open_drain)
    return gpio


@pytest.mark.parametrize(
    ("letter", "values"), [("A", (0xA800_0000, 0x0C00_0000, 0x6400_0000)), ("B", (0x280, 0xC0, 0x100)), ("C", (0,) * 3)]
)
def test_reset_values(letter: str, values: tuple[int, ...]) -> None:
    """The debug port's pins are configured after reset, all others are inputs."""
    gpio = Stm32Gpio(letter)
    gpio.write(MODER, 4, 0x1234)
    gpio.reset()
    assert tuple(gpio.read(offset, 4) for offset in (MODER, OSPEEDR, PUPDR)) == values


@given(WORD, st.lists(WORD, max_size=10))
def test_bsrr_sets_and_resets(start: int, writes: list[int]) -> None:
    """ODR is what setting and resetting its bits one by one makes of it, and a bit that does both is set."""
    gpio = port(OUTPUT)
    gpio.write(ODR, 4, start)
    expected = [start >> pin & 1 for pin in range(16)]
    for value in writes:
        gpio.write(BSRR, 4, value)
        for pin in range(16):
            if value >> pin & 1:
                expected[pin] = 1
            elif value >> pin + 16 & 1:
                expected[pin] = 0
    odr = sum(level << pin for pin, level in enumerate(expected))
    assert gpio.read(ODR, 4) == gpio.read(IDR, 4) == odr
    assert [pin.level for pin in gpio.pins] == [bool(level) for level in expected]
    assert gpio.read(BSRR, 4) == 0


def test_halves_of_bsrr() -> None:
    """The half-words of BSRR, BSRRL and BSRRH to older code, act alone."""
    gpio = port(OUTPUT)
    gpio.write(BSRR, 2, 0x00F0)
    gpio.write(BSRR + 2, 2, 0x0030)
    gpio.write(BSRR, 2, 0x0001)
    assert gpio.read(ODR, 4) == 0x00C1


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """One pin's configuration, and what is outside of it."""
    return {
        "mode": draw(st.integers(0, 3)),
        "pull": draw(st.integers(0, 2)),
        "open_drain": draw(st.booleans()),
        "odr": draw(st.booleans()),
        "outside": draw(st.sampled_from([None, False, True])),
        "weak": draw(st.booleans()),
    }


def expected_level(mode: int, pull: int, open_drain: bool, odr: bool, outside: bool | None, weak: bool) -> bool:
    """Return the level of a pin by the rules one after the other: strong, weak, pulled, floating."""
    if outside is not None and not weak:
        return outside
    if mode == OUTPUT and not (open_drain and odr):
        return odr
    if outside is not None:
        return outside
    return pull == 1 and mode != ANALOG


@given(st.lists(configurations(), min_size=16, max_size=16))
def test_levels(pins: list[dict[str, Any]]) -> None:
    """Each pin has the level of the strongest that drives it, and IDR shows it but where the input is analog."""
    gpio = Stm32Gpio()
    for number, pin in enumerate(pins):
        if pin["outside"] is not None:
            gpio.pins[number].drive(pin["outside"], weak=pin["weak"])
    gpio.write(ODR, 4, sum(pin["odr"] << i for i, pin in enumerate(pins)))
    gpio.write(OTYPER, 4, sum(pin["open_drain"] << i for i, pin in enumerate(pins)))
    gpio.write(PUPDR, 4, sum(pin["pull"] << 2 * i for i, pin in enumerate(pins)))
    gpio.write(MODER, 4, sum(pin["mode"] << 2 * i for i, pin in enumerate(pins)))
    levels = [expected_level(**pin) for pin in pins]
    assert [pin.level for pin in gpio.pins] == levels
    shown = sum((level and pin["mode"] != ANALOG) << i for i, (level, pin) in enumerate(zip(levels, pins, strict=True)))
    assert gpio.read(IDR, 4) == shown


def test_a_button() -> None:
    """A button to ground at an input with a pull-up."""
    gpio = port(INPUT, pull=1)
    button = gpio.pins[5]
    assert gpio.read(IDR, 4) == 0xFFFF
    button.drive(False)
    assert gpio.read(IDR, 4) == 0xFFDF
    button.release()
    assert gpio.read(IDR, 4) == 0xFFFF


def test_an_open_drain_is_shared() -> None:
    """On a line with a resistor to the supply, either side can pull low, and neither conflicts."""
    gpio = port(OUTPUT, open_drain=True)
    line = gpio.pins[0]
    line.drive(True, weak=True)
    gpio.write(ODR, 4, 1)
    assert line.level
    line.drive(False)
    assert (line.level, line.conflict) == (False, False)
    line.drive(True, weak=True)
    gpio.write(ODR, 4, 0)
    assert not line.level


def test_a_conflict_is_told() -> None:
    """Two strong drivers of different minds are a conflict, and the outside wins."""
    gpio = port(OUTPUT)
    pin = gpio.pins[3]
    pin.drive(True)
    assert (pin.level, pin.conflict) == (True, True)
    gpio.write(BSRR, 4, 1 << 3)
    assert (pin.level, pin.conflict) == (True, False)


def test_watching() -> None:
    """A watcher hears changes only, whichever side made them, until it ends."""
    gpio = port(OUTPUT)
    heard: list[bool] = []
    end = gpio.pins[1].watch(heard.append)
    for value in (2, 2, 3, 0, 1):
        gpio.write(ODR, 4, value)
    assert heard == [True, False]
    gpio.pins[1].drive(True)
    gpio.reset()
    gpio.pins[1].release()
    assert heard == [True, False, True, False]
    end()
    gpio.pins[1].drive(True)
    assert len(heard) == 4


def test_reset_is_heard() -> None:
    """An output that was high is an input after reset, and low."""
    gpio = port(OUTPUT)
    heard: list[bool] = []
    gpio.write(ODR, 4, 1)
    gpio.pins[0].watch(heard.append)
    gpio.reset()
    assert heard == [False]


def test_two_ports_wired_together() -> None:
    """A watcher may drive another pin, of the same port too."""
    gpio = Stm32Gpio()
    gpio.write(MODER, 4, OUTPUT)
    gpio.pins[0].watch(gpio.pins[1].drive)
    gpio.write(BSRR, 4, 1)
    assert gpio.read(IDR, 4) == 3
    gpio.write(BSRR, 4, 1 << 16)
    assert gpio.read(IDR, 4) == 0


def lock(gpio: Stm32Gpio, pins: int) -> None:
    """Write the sequence of 8.4.8."""
    for value in (KEY | pins, pins, KEY | pins):
        gpio.write(LCKR, 4, value)


@given(st.integers(0, 0xFFFF), WORD, WORD)
def test_the_lock_freezes_pins(pins: int, before: int, after: int) -> None:
    """The configuration of locked pins stays, that of the others changes, and so does ODR."""
    gpio = Stm32Gpio()
    configuration = {MODER: 2, OSPEEDR: 2, PUPDR: 2, OTYPER: 1, AFRL: 4, AFRH: 4}
    for offset in configuration:
        gpio.write(offset, 4, before)
    lock(gpio, pins)
    assert gpio.read(LCKR, 4) == KEY | pins
    for offset, bits in configuration.items():
        gpio.write(offset, 4, after)
        value = gpio.read(offset, 4)
        for i in range(32 // bits if bits > 1 else 16):
            pin = i + 8 * (offset == AFRH)
            source = before if pins >> pin & 1 else after
            assert (value ^ source) >> i * bits & (1 << bits) - 1 == 0
    gpio.write(ODR, 4, after)
    assert gpio.read(ODR, 4) == after & 0xFFFF


@pytest.mark.parametrize(
    "values",
    [
        (KEY | 1, 1),
        (KEY | 1, KEY | 1, KEY | 1),
        (KEY | 1, 2, KEY | 1),
        (1, KEY | 1, 1),
        (KEY | 1, 1, KEY | 2),
        (KEY | 1, 1, 1, KEY | 1),
    ],
)
def test_a_wrong_sequence_locks_nothing(values: tuple[int, ...]) -> None:
    """Any deviation aborts the lock."""
    gpio = Stm32Gpio()
    for value in values:
        gpio.write(LCKR, 4, value)
    gpio.write(MODER, 4, 0xFFFF_FFFF)
    assert (gpio.read(LCKR, 4) & KEY, gpio.read(MODER, 4)) == (0, 0xFFFF_FFFF)


def test_only_reset_unlocks() -> None:
    """A lock cannot be undone or extended, but by reset."""
    gpio = Stm32Gpio()
    lock(gpio, 1)
    lock(gpio, 3)
    assert gpio.read(LCKR, 4) == KEY | 1
    gpio.reset()
    gpio.write(MODER, 4, 3)
    assert (gpio.read(LCKR, 4), gpio.read(MODER, 4)) == (0, 3)


def test_what_a_pin_says_of_itself() -> None:
    """Mode and alternate function can be asked."""
    gpio = Stm32Gpio()
    gpio.write(MODER, 4, ALTERNATE << 18 | OUTPUT)
    gpio.write(AFRH, 4, 7 << 4)
    assert (gpio.pins[9].mode, gpio.pins[9].function) == ("ALTERNATE", 7)
    assert repr(gpio.pins[0]) == "<Pin 0: OUTPUT, low>"


def test_a_snapshot_has_the_outside_too() -> None:
    """A restored port has the levels of the first."""
    gpio = port(INPUT, pull=2)
    gpio.pins[4].drive(True)
    gpio.pins[5].drive(True, weak=True)
    lock(gpio, 1)
    other = Stm32Gpio()
    other.restore(json.loads(json.dumps(gpio.snapshot())))
    assert other.read(IDR, 4) == gpio.read(IDR, 4) == 0x30
    other.write(MODER, 4, 0xF)
    assert other.read(MODER, 4) == 0xC


def test_wrong_arguments() -> None:
    """A port that is none, and a level that is none, are refused."""
    with pytest.raises(ValueError, match="letter from A to K, not 'Z'"):
        Stm32Gpio("Z")
    with pytest.raises(TypeError, match="True or False, not 'high'"):
        Stm32Gpio().pins[0].drive("high")  # type: ignore[arg-type]
