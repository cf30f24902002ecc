"""Devices made of devices: a block of registers at an offset."""

from typing import ClassVar, Protocol, TypeVar

from mmio.device.layout import Layout, RegisterPlace
from mmio.device.member import Member
from mmio.errors import DefinitionError


class LaidOut(Protocol):
    """A device whose registers are declared: `Device`."""

    layout: ClassVar[Layout]

    def read(self, offset: int, width: int) -> int:
        """Answer a read."""

    def write(self, offset: int, width: int, value: int) -> None:
        """Answer a write."""


D = TypeVar("D", bound=LaidOut, covariant=True)


class Block(Member[D]):
    """The declaration of a device inside a device; made by `block`."""

    instead = "write to the registers of {}"

    def __init__(self, offset: int, device: type[D], name: str | None) -> None:
        super().__init__(name)
        self.offset = offset
        self.device = device

    def places(self, where: str, base: type[LaidOut]) -> list[RegisterPlace]:
        """The block's registers where they are in the outer device, names dotted; `base` is `Device`.

        Raises:
            DefinitionError: the block is made of something else, or of a class that overrides `read` or `write`.
        """
        if not (isinstance(self.device, type) and issubclass(self.device, base)):
            raise DefinitionError(f"{where}: a block is made of a Device class, not {self.device!r}")
        if self.offset < 0:
            raise DefinitionError(f"{where}: offset {self.offset}, expected 0 or more")
        if self.device.read is not base.read or self.device.write is not base.write:
            # The outer device would call the inner one's registers and pass its methods by.
            raise DefinitionError(f"{where}: {self.device.__name__} answers by itself; map it as a device of its own")
        return [
            RegisterPlace(  # attrs.evolve would take most of the time of making a class
                self.offset + place.offset,
                place.width,
                f"{self.name}.{place.name}",
                place.fields,
                place.when and place.when.within(self.name),
                place.readable,
                place.writable,
            )
            for place in self.device.layout.places
        ]


def block(offset: int, device: type[D], name: str | None = None) -> Block[D]:
    """Declare a device inside this one, made with it.

    After `dma = block(0x100, Dma)` in the class, `self.dma.ctrl` is a register of it.

    Args:
        offset: its registers appear from here on, under dotted names ("dma.CTRL").
        device: its class, which must need no arguments.
        name: in those names; the attribute's when left out.
    """
    return Block(offset, device, name)
