"""A device on a bus wider than its own: the same registers at larger offsets.

An 8-bit part on a 32-bit bus has its registers 4 bytes apart, and answers in the lowest byte; device trees call that
`reg-shift` and `reg-io-width`. The model need not know.
"""

from collections.abc import Callable
from typing import Any

from attrs import field, frozen, validators

from decode import Direction
from mmio.errors import NoRegister
from mmio.space.region import DeviceLike


@frozen
class Spaced:
    """The registers of `device`, each `width` bytes, `stride` bytes apart.

    An access starts where a register does and is `width` to `stride` bytes wide: the device sees its lowest `width`
    bytes, the others read as 0 and are written in vain. Compared by value, because records compare what names them.
    """

    device: Any
    stride: int = field(validator=[validators.instance_of(int), validators.gt(0)])
    width: int = field(default=1, validator=[validators.instance_of(int), validators.gt(0)])

    def __attrs_post_init__(self) -> None:
        # What `naming` gives has names and no registers.
        if isinstance(self.device, type) or not (
            isinstance(self.device, DeviceLike) or hasattr(self.device, "name_at")
        ):
            problem = "is not a device: it needs read(offset, width) and write(offset, width, value)"
            raise TypeError(f"{self.device!r} {problem}")
        if self.stride < self.width:
            raise ValueError(f"registers of {self.width} bytes cannot be {self.stride} bytes apart")

    @property
    def length(self) -> int:
        """Bytes from offset 0 to the end of the last register's space."""
        extent: int = getattr(self.device, "length", None) or self.device.layout.extent
        return -(-extent // self.width) * self.stride

    def read(self, offset: int, width: int) -> int:
        """Answer a read from the bus. Raises NoRegister when it is not of one register."""
        answer: int = self.device.read(self._inner(offset, width), self.width)
        return answer

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write from the bus. Raises NoRegister when it is not of one register."""
        self.device.write(self._inner(offset, width), self.width, value & self._mask)

    def holes(self, offset: int, width: int) -> int:
        """Return the mask of those bytes of an access that have no register: all of them or none."""
        holes = getattr(self.device, "holes", None)
        missing = not self._fits(offset, width)
        if not missing and holes is not None:
            missing = bool(holes(self._inner(offset, width), self.width))
        return (1 << 8 * width) - 1 if missing else 0

    def name_at(self, offset: int, width: int) -> str | None:
        """Return the device's name for the register."""
        name_at: Callable[[int, int], str | None] | None = getattr(self.device, "name_at", None)
        return name_at(self._inner(offset, width), self.width) if name_at and self._fits(offset, width) else None

    def describe(self, offset: int, width: int, value: int) -> str:
        """Return what the device says of a value."""
        describe: Callable[[int, int, int], str] | None = getattr(self.device, "describe", None)
        if describe is None or not self._fits(offset, width):
            return ""
        return describe(self._inner(offset, width), self.width, value & self._mask)

    @property
    def naming(self) -> Callable[[int, int, Direction], "Spaced"] | None:
        """Return what selects the names for an access in a direction now, where the device's names change."""
        naming = getattr(self.device, "naming", None)
        if naming is None:
            return None
        return lambda offset, width, direction: Spaced(
            naming(offset // self.stride * self.width, self.width, direction), self.stride, self.width
        )

    @property
    def _mask(self) -> int:
        return (1 << 8 * self.width) - 1

    def _fits(self, offset: int, width: int) -> bool:
        return offset % self.stride == 0 and self.width <= width <= self.stride

    def _inner(self, offset: int, width: int) -> int:
        if not self._fits(offset, width):
            raise NoRegister(self, offset, width)
        return offset // self.stride * self.width
