"""IO port permissions of a traced program.

If devices answer at ports, every request for ports is granted, and the kernel is not asked. If real ports are traced,
the kernel decides by the program's own rights; afterwards the rights to the traced ports are revoked. So accesses to
these fault, while those to all other ports run natively and are not recorded. Threads, children and programs that they
execute inherit the remaining rights from the kernel.

An access that touches a traced port is performed, and recorded, as one, whatever else it touches.

Where this differs from the kernel: the traced ports are granted to a process rather than to a thread, and giving up
`iopl` gives up what `ioperm` has granted, too. A right that a program has inherited from before it was traced is not
seen, and neither is what goes through `/dev/port`.
"""

from collections.abc import Sequence

from attrs import define

from mmio.errors import UnmappedAccess
from mmio.linux.io_ports import PORTS, RealPorts
from mmio.program.targets import PortTarget


class NotGranted(UnmappedAccess):
    """The program has no permission for a real port. The access faults, as it does natively."""


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
        """Revoke the rights to `count` ports from `port` on."""
        self.granted &= ~port_bits(port, count)


class TracedPorts(RealPorts):
    """Real ports, with the rights that one process has to them."""

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
