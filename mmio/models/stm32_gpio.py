"""A GPIO port of STM32F4 microcontrollers: RM0090, chapter 8.

What is on a pin is worked out for all sixteen at once, as masks: who drives it strongly, who weakly, and to what.
Outside of the port is the test, which drives a pin like a push button, or weakly like a resistor on the board.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mmio.arguments import shortened
from mmio.device.device import Device
from mmio.device.field import Field, bit, field
from mmio.device.register import register

PINS: Final = 16
MODES: Final = {0: "INPUT", 1: "OUTPUT", 2: "ALTERNATE", 3: "ANALOG"}
_ALL: Final = (1 << PINS) - 1
_LCKK: Final = 1 << 16
# MODER, OSPEEDR and PUPDR after reset: the debug port's pins (8.4.1, 8.4.3, 8.4.4).
_RESET: Final = {"A": (0xA800_0000, 0x0C00_0000, 0x6400_0000), "B": (0x0000_0280, 0x0000_00C0, 0x0000_0100)}


def _pairs(name: str, enum: dict[int, str] | None = None) -> list[Field]:
    return [field(f"{name}{pin}", 2 * pin + 1, 2 * pin, enum=enum) for pin in range(PINS)]


def _bits(name: str) -> list[Field]:
    return [bit(f"{name}{pin}", pin) for pin in range(PINS)]


class Pin:
    """One pin of a port, from outside; made by the port.

    Attributes:
        number: 0 to 15.
    """

    __slots__ = ("_port", "_watchers", "number")

    def __init__(self, port: "Stm32Gpio", number: int) -> None:
        self.number = number
        self._port = port
        self._watchers: list[Callable[[bool], object]] = []

    @property
    def level(self) -> bool:
        """Return whether the pin is high. One that nothing drives or pulls is low."""
        return bool(self._port._levels >> self.number & 1)

    @property
    def mode(self) -> str:
        """Return what the firmware has made of it: "INPUT", "OUTPUT", "ALTERNATE", "ANALOG"."""
        return MODES[self._port.moder.value >> 2 * self.number & 3]

    @property
    def function(self) -> int:
        """Return the number of the alternate function, AF0 to AF15."""
        registers = self._port.afrl.value | self._port.afrh.value << 32
        return registers >> 4 * self.number & 0xF

    @property
    def conflict(self) -> bool:
        """Return whether the firmware and the outside drive it to different levels; it then has the outside's."""
        return bool(self._port._conflicts() >> self.number & 1)

    def drive(self, level: bool, *, weak: bool = False) -> None:
        """Drive the pin from outside, until `release`.

        Args:
            level: high or low.
            weak: as a resistor does: any output is stronger, the port's own pull-up or pull-down is weaker.

        Raises:
            TypeError: the level is no bool, nor 0 or 1.
        """
        if level not in (False, True):
            raise TypeError(f"the level of a pin is True or False, not {shortened(level)}")
        self._port._drive(1 << self.number, bool(level), bool(weak))

    def release(self) -> None:
        """Drive the pin no more."""
        self._port._drive(1 << self.number, None, False)

    def watch(self, call: Callable[[bool], object]) -> Callable[[], None]:
        """Call `call(level)` on every change. Returns a function that ends this."""
        self._watchers.append(call)
        return lambda: self._watchers.remove(call)

    def __repr__(self) -> str:
        return f"<Pin {self.number}: {self.mode}, {'high' if self.level else 'low'}>"


class Stm32Gpio(Device):
    """A port of sixteen pins.

    Args:
        port: its letter, which says what MODER, OSPEEDR and PUPDR are after reset: A and B have the debug port's pins.

    Attributes:
        pins: as they are seen from outside.

    Raises:
        ValueError: the port is no letter from A to K.
    """

    moder = register(0x00, fields=_pairs("MODER", MODES))
    otyper = register(0x04, fields=_bits("OT"))
    ospeedr = register(0x08, fields=_pairs("OSPEEDR"))
    pupdr = register(0x0C, fields=_pairs("PUPDR", {0: "NONE", 1: "UP", 2: "DOWN"}))
    idr = register(0x10, access="r", fields=_bits("IDR"))
    odr = register(0x14, fields=_bits("ODR"))
    # Gone after a write: a half-word written to one half must not repeat what the other half was.
    bsrr = register(
        0x18, access="w", fields=[field("BS", 15, 0, singlepulse=True), field("BR", 31, 16, singlepulse=True)]
    )
    lckr = register(0x1C, fields=[field("LCK", 15, 0), bit("LCKK", 16)])
    afrl = register(0x20, fields=[field(f"AFRL{pin}", 4 * pin + 3, 4 * pin) for pin in range(8)])
    afrh = register(0x24, fields=[field(f"AFRH{pin + 8}", 4 * pin + 3, 4 * pin) for pin in range(8)])

    def __init__(self, port: str = "C") -> None:
        if not (isinstance(port, str) and len(port) == 1 and "A" <= port <= "K"):
            raise ValueError(f"a port is a letter from A to K, not {shortened(port)}")
        self.port = port
        self.pins = tuple(Pin(self, number) for number in range(PINS))
        self._strong = self._weak = self._outside = 0  # pins driven from outside, and those driven high
        self._power_on()

    def _power_on(self) -> None:
        self.moder.value, self.ospeedr.value, self.pupdr.value = _RESET.get(self.port, (0, 0, 0))
        self._locked = 0
        self._lock_step, self._lock_pins = 0, 0
        self._configure()
        self._levels = self._resolve()

    # The pins.

    def _configure(self) -> None:
        """Turn what the firmware has configured into masks of pins."""
        moder, pupdr = self.moder.value, self.pupdr.value
        self._analog = _pins_with(moder, 3)
        self._outputs = _pins_with(moder, 1)
        self._pulled_up = _pins_with(pupdr, 1) & ~self._analog  # 8.3.12: no pull in analog mode

    def _driven(self) -> int:
        """Return the pins that the port drives: not those of open drain that are high (8.3.10)."""
        return self._outputs & ~(self.otyper.value & self.odr.value)

    def _resolve(self) -> int:
        driven, odr = self._driven(), self.odr.value
        weakly = self._weak & self._outside | ~self._weak & self._pulled_up
        inside = driven & odr | ~driven & weakly
        return (self._strong & self._outside | ~self._strong & inside) & _ALL

    def _conflicts(self) -> int:
        return self._strong & self._driven() & (self._outside ^ self.odr.value)

    def _drive(self, pin: int, level: bool | None, weak: bool) -> None:
        self._strong &= ~pin
        self._weak &= ~pin
        self._outside &= ~pin
        if level is not None:
            self._outside |= pin * level
            if weak:
                self._weak |= pin
            else:
                self._strong |= pin
        self._update()

    def _update(self) -> None:
        """Work the levels out anew, and tell who watches those that have changed."""
        before, self._levels = self._levels, self._resolve()
        changed = before ^ self._levels
        while changed:
            pin = self.pins[(changed & -changed).bit_length() - 1]
            changed &= changed - 1
            for watcher in tuple(pin._watchers):
                watcher(pin.level)

    # The registers.

    @moder.written
    def _set_mode(self, old: int, new: int) -> None:
        self.moder.value = self._unlocked(old, new, 2)
        self._configure()
        self._update()

    @otyper.written
    def _set_type(self, old: int, new: int) -> None:
        self.otyper.value = self._unlocked(old, new, 1) & _ALL
        self._update()

    @ospeedr.written
    def _set_speed(self, old: int, new: int) -> None:
        self.ospeedr.value = self._unlocked(old, new, 2)

    @pupdr.written
    def _set_pull(self, old: int, new: int) -> None:
        self.pupdr.value = self._unlocked(old, new, 2)
        self._configure()
        self._update()

    @afrl.written
    def _set_low_functions(self, old: int, new: int) -> None:
        self.afrl.value = self._unlocked(old, new, 4)

    @afrh.written
    def _set_high_functions(self, old: int, new: int) -> None:
        self.afrh.value = self._unlocked(old, new, 4, first=8)

    @idr.reads
    def _input(self) -> int:
        return self._levels & ~self._analog  # 8.3.12: an analog input reads as 0

    @odr.written
    def _output(self, old: int, new: int) -> None:
        self.odr.value = new & _ALL
        self._update()

    @bsrr.written
    def _set_or_reset(self, old: int, new: int) -> None:
        self.odr.value = self.odr.value & ~(new >> 16) | new & _ALL  # 8.4.7: to set has priority
        self._update()

    @lckr.written
    def _lock(self, old: int, new: int) -> None:
        """Take a step of the sequence LCKK=1, 0, 1 with the same pins; any other write begins anew (8.4.8)."""
        if old & _LCKK:
            self.lckr.value = old
            return
        key, pins = bool(new & _LCKK), new & _ALL
        fits = self._lock_step and pins == self._lock_pins and key == (self._lock_step == 2)
        self._lock_step = self._lock_step + 1 if fits else int(key)
        self._lock_pins = pins
        if self._lock_step == 3:
            self._locked = pins
        self.lckr.value = pins | _LCKK * (self._lock_step == 3)

    def _unlocked(self, old: int, new: int, bits: int, first: int = 0) -> int:
        """Return a register's new value, in which pins that are locked have the old one."""
        if not self._locked:
            return new
        each = (1 << bits) - 1
        kept = sum(
            each << bits * (pin - first)
            for pin in range(first, first + min(PINS, 32 // bits))
            if self._locked >> pin & 1
        )
        return new & ~kept | old & kept

    # State.

    def reset(self) -> None:
        """Reset the port; what drives its pins from outside still does."""
        before = self._levels
        super().reset()
        self._power_on()
        self._levels = before
        self._update()

    def snapshot(self) -> dict[str, Any]:
        """Add what drives the pins from outside, and the lock."""
        outside = [self._strong, self._weak, self._outside]
        return super().snapshot() | {"outside": outside, "lock": [self._locked, self._lock_step, self._lock_pins]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back, quietly."""
        super().restore(state)
        self._strong, self._weak, self._outside = state["outside"]
        self._locked, self._lock_step, self._lock_pins = state["lock"]
        self._configure()
        self._levels = self._resolve()


def _pins_with(pairs: int, value: int) -> int:
    """Return the mask of those pins that have a value in a register of two bits a pin."""
    return sum(1 << pin for pin in range(PINS) if pairs >> 2 * pin & 3 == value)
