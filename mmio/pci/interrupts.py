"""Interrupts of a function: INTx, MSI or MSI-X, as software has enabled.

A message is a write of the vector's data to its address. One that is masked is pending, and sent when it is unmasked
(PCI Local Bus Specification 3.0, 6.8.3.4, 6.8.2). While COMMAND.MASTER is off a function writes nothing: such a message
is lost, which `lost` keeps, because the driver that forgot the bit waits for an interrupt that never comes.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, TypeAlias, get_args

from attrs import frozen

from mmio.arguments import integer, one_of, shortened
from mmio.device.line import Line
from mmio.pci.config import ConfigSpace
from mmio.pci.msix import MsixTable, PendingBits

Mode: TypeAlias = Literal["intx", "msi", "msix"]

_ONE: Final = 1


@frozen
class Message:
    """A message signalled interrupt.

    Attributes:
        mode: "msi" or "msix".
        vector: from 0.
        address: where the function writes.
        data: the 32 bits that it writes.
    """

    mode: Mode
    vector: int
    address: int
    data: int


class Interrupts:
    """The interrupts of one function.

    Args:
        config: its configuration space.
        table: of MSI-X; None without it.
        pending: the bits beside it.
        msi: vectors of MSI, 0 without it.
        msix: vectors of MSI-X, 0 without it.

    Attributes:
        intx: the interrupt pin, gated by COMMAND.INTX_OFF.
        lost: messages that were not sent because the function was no bus master.
        direct: takes mode and vector in place of masks, table and messages, when set: a machine monitor that does the
            masking itself (VFIO) is told of each vector.
    """

    def __init__(
        self, config: ConfigSpace, table: MsixTable | None, pending: PendingBits | None, msi: int, msix: int
    ) -> None:
        self.config = config
        self.intx = Line("INTX")
        self.lost: list[Message] = []
        self.direct: Callable[[Mode, int], object] | None = None
        self._table = table
        self._pending = pending
        self._vectors: dict[Mode, int] = {"intx": int(config.interrupt_pin.value > 0), "msi": msi, "msix": msix}
        self._asserted = False
        self._handlers: list[Callable[[Message], object]] = []
        if table is not None:
            table.changed = self.changed

    @property
    def mode(self) -> Mode:
        """The mode that software has enabled: "msix", "msi", or neither, which is "intx"."""
        if self._vectors["msix"] and self.config["MSIX.CONTROL"].ENABLE:
            return "msix"
        return "msi" if self._vectors["msi"] and self.config["MSI.CONTROL"].ENABLE else "intx"

    def vectors(self, mode: Mode) -> int:
        """Return how many vectors the function has in a mode, enabled or not; 0 where it lacks the capability.

        Args:
            mode: "intx", "msi" or "msix".

        Raises:
            ValueError: there is no such mode.
        """
        one_of("mode", mode, get_args(Mode))
        return self._vectors[mode]

    @property
    def asserted(self) -> bool:
        """The function asserts its pin, before COMMAND.INTX_OFF: STATUS.INTERRUPT."""
        return self._asserted

    def subscribe(self, handler: Callable[[Message], object]) -> Callable[[], None]:
        """Call a function for each message that is sent. Returns a function that ends this.

        Args:
            handler: takes the message.
        """
        if not callable(handler):
            raise TypeError(f"handler is a function that takes a message, not {shortened(handler)}")
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler)

    def signal(self, vector: int = 0) -> None:
        """Interrupt: send the vector's message, or assert the pin until `release`.

        Args:
            vector: from 0. More than software has enabled of MSI go round.

        Raises:
            TypeError: it is no int.
            ValueError: the function has no such vector in any mode.
        """
        vector = integer("vector", vector, 0, max(1, *self._vectors.values()) - 1)
        mode = self.mode
        if mode == "intx":
            self.drive(True)
        elif self.direct is not None:
            self.direct(mode, vector % self._enabled(mode))
        else:
            self._send(mode, vector % self._enabled(mode))

    def release(self) -> None:
        """Deassert the pin."""
        self.drive(False)

    def drive(self, level: bool) -> None:
        """Assert or deassert the pin.

        Args:
            level: True asserts it.
        """
        self._asserted = level and self._vectors["intx"] > 0
        self._update_pin()

    def follow(self, line: Line, vector: int = 0) -> Callable[[], None]:
        """Interrupt as a line of a model does. Returns a function that ends this.

        With INTx the pin has the level of the line; with messages one is sent each time that the line rises.

        Args:
            line: of the model.
            vector: whose message is sent.
        """
        if not isinstance(line, Line):
            raise TypeError(f"line is a line of a device, such as card.irq, not {shortened(line)}")
        integer("vector", vector, 0, max(1, *self._vectors.values()) - 1)

        def changed(level: bool) -> None:
            if self.mode == "intx" or not level:
                self.drive(level)
            else:
                self.signal(vector)

        return line.subscribe(changed)

    def changed(self) -> None:
        """Take note of what software has written: send what is pending and no longer masked."""
        self._update_pin()
        mode = self.mode
        if mode == "msix" and self._pending is not None:
            for vector in self._pending_vectors(self._pending):
                if not self._masked(mode, vector):
                    self._set_pending(mode, vector, False)
                    self._send(mode, vector)
        elif mode == "msi" and "MSI.PENDING" in self.config:
            ready = self.config["MSI.PENDING"].value & ~self.config["MSI.MASK"].value
            for vector in range(self._vectors["msi"]):
                if ready >> vector & _ONE:
                    self._set_pending(mode, vector, False)
                    self._send(mode, vector)

    def reset(self) -> None:
        """Deassert the pin and forget what is pending; the registers have been reset."""
        self._asserted = False
        self._update_pin()
        if self._table is not None and self._pending is not None:
            self._table.reset()
            self._pending.reset()

    def snapshot(self) -> dict[str, Any]:
        """Return the state that configuration space does not have."""
        state: dict[str, Any] = {"asserted": self._asserted}
        if self._table is not None and self._pending is not None:
            state |= {"table": self._table.snapshot(), "pending": self._pending.snapshot()}
        return state

    def restore(self, state: Any) -> None:
        """Take it back, quietly.

        Args:
            state: of `snapshot`.
        """
        self._asserted = bool(state["asserted"])
        self.intx.restore(self._asserted and not self.config.command.INTX_OFF and self.mode == "intx")
        if self._table is not None and self._pending is not None:
            self._table.restore(state["table"])
            self._pending.restore(state["pending"])

    def _update_pin(self) -> None:
        self.config.status.INTERRUPT = self._asserted
        self.intx.set(self._asserted and not self.config.command.INTX_OFF and self.mode == "intx")

    def _enabled(self, mode: Mode) -> int:
        if mode == "msix":
            return self._vectors[mode]
        return min(1 << min(self.config["MSI.CONTROL"].ENABLED, 5), self._vectors[mode])

    def _send(self, mode: Mode, vector: int) -> None:
        if self._masked(mode, vector):
            self._set_pending(mode, vector, True)
            return
        message = self._message(mode, vector)
        if not self.config.command.MASTER:
            self.lost.append(message)
            return
        for handler in tuple(self._handlers):
            handler(message)

    def _message(self, mode: Mode, vector: int) -> Message:
        if mode == "msix":
            assert self._table is not None
            table = self._table
            address = table.address_high[vector].value << 32 | table.address[vector].value
            return Message(mode, vector, address, table.data[vector].value)
        config = self.config
        high = config["MSI.ADDRESS_HIGH"].value if "MSI.ADDRESS_HIGH" in config else 0
        # A function with several vectors puts the vector's number into the low bits that it was given (6.8.1.6).
        data = config["MSI.DATA"].value & ~(self._enabled(mode) - 1) | vector
        return Message(mode, vector, high << 32 | config["MSI.ADDRESS"].value, data)

    def _masked(self, mode: Mode, vector: int) -> bool:
        if mode == "msix":
            assert self._table is not None
            return bool(self.config["MSIX.CONTROL"].MASKED or self._table.control[vector].MASKED)
        return "MSI.MASK" in self.config and bool(self.config["MSI.MASK"].value >> vector & _ONE)

    def _set_pending(self, mode: Mode, vector: int, level: bool) -> None:
        if mode == "msix":
            assert self._pending is not None
            word, vector = self._pending.pending[vector // 64], vector % 64
        else:
            word = self.config["MSI.PENDING"]
        word.value = word.value & ~(1 << vector) | level << vector

    def _pending_vectors(self, pending: PendingBits) -> Iterator[int]:
        for number, word in enumerate(pending.pending):
            left = word.value
            while left:
                lowest = left & -left
                yield 64 * number + lowest.bit_length() - 1
                left &= ~lowest
