"""IO port permissions of a traced program.

Where devices answer, it is granted whatever it asks, and the kernel hears nothing of that. Where real ports are traced,
the kernel decides, by the program's own rights; then the traced ports alone are taken back. So these fault, while at
every other port the program goes on as fast as it would without us, and unseen. Threads, children and what they execute
inherit the rest from the kernel.

An access that touches a traced port is performed, and recorded, as one, whatever else it touches.

Where this differs from the kernel: the traced ports are granted to a process rather than to a thread, and giving up
`iopl` gives up what `ioperm` has granted, too. A right that a program inherits from before us is not seen, and neither
is what goes through `/dev/port`.
"""

from collections.abc import Sequence

from attrs import define

from mmio.errors import UnmappedAccess
from mmio.linux.io_ports import PORTS, RealPorts
from mmio.program.targets import PortTarget


class NotGranted(UnmappedAccess):
    """The program has no right to a real port: it faults there as it would without us."""


@define
class PortRights:
    """The IO ports that a process has asked for and been granted.

    Attributes:
        granted: a bit for each port.
    """

    granted: int = 0

    def grant(self, port: int = 0, count: int = PORTS) -> None:
        """Grant `count` ports from `port` on."""
        self.granted |= port_bits(port, count)

    def revoke(self, port: int, count: int) -> None:
        """Take back `count` ports from `port` on."""
        self.granted &= ~port_bits(port, count)


class TracedPorts(RealPorts):
    """The real ports as one process may use them."""

    def __init__(self, targets: Sequence[PortTarget], rights: PortRights) -> None:
        self._targets = targets
        self._rights = rights
        self._traced = 0
        for target in self._targets:
            self._traced |= port_bits(target.port, target.count)

    def read(self, port: int, width: int) -> int:
        """Read a port. Raises NotGranted."""
        self._check(port, width)
        return super().read(port, width)

    def write(self, port: int, width: int, value: int) -> None:
        """Write a port. Raises NotGranted."""
        self._check(port, width)
        super().write(port, width, value)

    def name_at(self, port: int, width: int) -> str | None:
        """Return the name of the target that an access touches."""
        names = (t.name for t in self._targets if t.port < port + width and port < t.end and t.name is not None)
        return next(names, None)

    def _check(self, port: int, width: int) -> None:
        touched = port_bits(port, width)
        if touched & ~self._rights.granted or not touched & self._traced:
            raise NotGranted("touches a port that the program has no right to")


def port_bits(port: int, count: int) -> int:
    """Return the set of `count` ports from `port` on, a bit each."""
    return (1 << count) - 1 << port
