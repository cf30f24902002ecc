"""The serial line of a UART: characters to the firmware, and those it has sent. Common to all UART models.

Without time (the default) a character leaves as soon as it is written, and those to the firmware come as soon as the
receiver is on and has room for them: the other end is patient, and nothing is lost. A *burst* does not wait: what
finds no room is lost, and the UART flags an overrun. *Timed*, each character takes its time on the device's clock, by
the baud rate the firmware has set, and nothing waits for the firmware either.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from attrs import frozen

from mmio.arguments import shortened
from mmio.device.device import Device
from mmio.models.alarm import Alarm

ERRORS: Final = ("overrun", "parity", "framing", "noise", "break")
NESTED: Final = 8  # receivers inside receivers: an interrupt handler may wait for characters, a subscriber not recurse


@frozen
class Character:
    """One character on its way to the firmware, what is wrong with it, and its pace: patient, burst or timed."""

    value: int
    errors: frozenset[str]
    pace: str


class SerialPort(Device):
    """A UART without its registers.

    Args:
        timed: characters take their time on the device's clock, in both directions.

    Attributes:
        timed: the same, and may be changed.
    """

    idle_characters: ClassVar[int] = 1  # how many character times without any until the UART speaks of silence

    def __init__(self, *, timed: bool = False) -> None:
        self.timed = timed
        self._sent = bytearray()
        self._watchers: list[Callable[[int], object]] = []
        self._wire: deque[Character] = deque()
        self._depth = 0
        self._heard = False  # characters have come since the line was last found idle
        self._blocked = False
        self._shift: int | None = None  # the character that is leaving
        self._arrival = Alarm(self, self._arrived)
        self._silence = Alarm(self, self._fell_silent)
        self._departure = Alarm(self, self._departed)

    # The other end.

    @property
    def sent(self) -> bytes:
        """Return what the firmware has sent so far."""
        return bytes(self._sent)

    def take(self) -> bytes:
        """Return what the firmware has sent, and forget it."""
        sent = self.sent
        self._sent.clear()
        return sent

    def watch(self, call: Callable[[int], object]) -> Callable[[], None]:
        """Call `call(character)` for each character the firmware sends. Returns a function that ends this."""
        self._watchers.append(call)
        return lambda: self._watchers.remove(call)

    @property
    def pending(self) -> int:
        """Return how many characters are still on their way to the firmware."""
        return len(self._wire)

    def receive(self, data: bytes, *, timed: bool | None = None, burst: bool = False) -> None:
        """Put characters on the wire to the firmware, behind those that are on it.

        Args:
            data: the characters.
            timed: one at a time, a character time after the other; as the device is when left out.
            burst: all at once, without waiting for the firmware.

        Raises:
            TypeError: data is no bytes.
            ValueError: timed and burst are both asked for.
        """
        self._put(data, frozenset(), timed, burst)

    def receive_error(self, *errors: str, data: bytes = b"\0", timed: bool | None = None) -> None:
        """Put characters on the wire that something is wrong with.

        Args:
            errors: of "parity", "framing", "noise", "break" (the line is low for longer than a character), and
                "overrun" (another character comes behind and is lost).
            data: the characters.
            timed: as in `receive`.

        Raises:
            TypeError: data is no bytes, or no error is named.
            ValueError: there is no such error.
        """
        if not errors:
            raise TypeError(f"receive_error() takes names of errors: {', '.join(ERRORS)}")
        for error in errors:
            if error not in ERRORS:
                raise ValueError(f"an error on the line is one of {', '.join(ERRORS)}, not {shortened(error)}")
        self._put(data, frozenset(errors), timed, False)

    @property
    def blocked(self) -> bool:
        """Return whether the wire takes nothing, so that characters wait in the transmitter. May be set."""
        return self._blocked

    @blocked.setter
    def blocked(self, blocked: bool) -> None:
        self._blocked = bool(blocked)
        self._send()

    def _put(self, data: bytes, errors: frozenset[str], timed: bool | None, burst: bool) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"characters on the wire are bytes, not {shortened(data)}")
        if timed and burst:
            raise ValueError("characters come timed or in a burst, not both: leave one out")
        slow = not burst and (self.timed if timed is None else timed)
        pace = "burst" if burst else "timed" if slow else "patient"
        self._wire.extend(Character(value, errors, pace) for value in bytes(data))
        if self._wire:
            self._silence.cancel()
        self._deliver()

    # The receiver.

    def _ready(self) -> bool:
        """Return whether the receiver is on and has room for a character."""
        raise NotImplementedError

    def _arrive(self, character: int, errors: frozenset[str]) -> None:
        """Take a character off the wire, ready or not."""
        raise NotImplementedError

    def _idle(self) -> None:
        """Take note that the line is idle."""
        raise NotImplementedError

    def _unread(self) -> bool:
        """Return whether a patient line has not yet been silent, because the firmware has still to read."""
        raise NotImplementedError

    def _character_ns(self) -> int | None:
        """Return the time of a character; None while the firmware has set no baud rate."""
        raise NotImplementedError

    def _deliver(self) -> None:
        """Take those characters off the wire whose time it is."""
        if self._depth == NESTED:
            return
        self._depth += 1
        try:
            while self._wire and self._comes_now(self._wire[0]):
                character = self._wire.popleft()
                self._heard = True
                self._arrive(character.value, character.errors)
        finally:
            self._depth -= 1
        if self._heard and not self._wire and not self._silence.pending and not self._unread():
            self._fell_silent()

    def _comes_now(self, character: Character) -> bool:
        if character.pace != "timed":
            return character.pace == "burst" or self._ready()
        if not self._arrival.pending and (time := self._character_ns()):
            self._arrival.set(time)
        return False

    def _arrived(self) -> None:
        character = self._wire.popleft()
        self._heard = True
        if not self._wire:
            self._silence.set(self.idle_characters * (self._character_ns() or 0))
        self._arrive(character.value, character.errors)
        self._deliver()

    def _fell_silent(self) -> None:
        self._heard = False
        self._idle()

    # The transmitter.

    def _next(self) -> int | None:
        """Take the next character to send out of the register or FIFO it waits in; None when there is none."""
        raise NotImplementedError

    def _update(self) -> None:
        """Bring flags and lines up to date."""
        raise NotImplementedError

    def _held(self) -> bool:
        """Return whether the wire takes nothing now."""
        return self._blocked

    def _out(self, character: int) -> None:
        """Put a character on the wire."""
        self._sent.append(character & 0xFF)
        for watcher in tuple(self._watchers):
            watcher(character)

    def _send(self) -> None:
        """Send what waits, as far as the wire takes it."""
        while True:
            if self._shift is None:
                self._shift = self._next()
            if self._shift is None or self._held():
                break
            if self.timed:
                if not self._departure.pending and (time := self._character_ns()):
                    self._departure.set(time)
                break
            self._emit()
        self._update()

    def _departed(self) -> None:
        self._emit()
        self._send()

    def _emit(self) -> None:
        character, self._shift = self._shift, None
        if character is not None:
            self._out(character)

    # State.

    def reset(self) -> None:
        """Pull the reset pin. What is on the wire is still there."""
        super().reset()
        self._shift = None
        self._departure.cancel()

    def snapshot(self) -> dict[str, Any]:
        """Add the wire, without what has been sent."""
        serial = {
            "wire": [[one.value, sorted(one.errors), one.pace] for one in self._wire],
            "heard": self._heard,
            "shift": self._shift,
            "alarms": [self._arrival.left, self._silence.left, self._departure.left],
        }
        return super().snapshot() | {"serial": serial}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back."""
        super().restore(state)
        serial = state["serial"]
        self._wire = deque(Character(value, frozenset(errors), pace) for value, errors, pace in serial["wire"])
        self._heard, self._shift = serial["heard"], serial["shift"]
        for alarm, left in zip((self._arrival, self._silence, self._departure), serial["alarms"], strict=True):
            alarm.restore(left)
