"""Answer accesses of a program where no device model is.

On a PC nothing claims such an access: a read gives ones, a write is lost, and the program continues. Tools that look
for hardware rely on that.
"""

from mmio.errors import UnmappedAccess
from mmio.linux.io_ports import PORTS, RealPorts
from mmio.program.ports import NotGranted, PortRights, port_bits
from mmio.program.targets import NoDevice, policy_word
from mmio.space.policy import Policy
from mmio.space.region import UNDER_DEVICES, DeviceLike, Region
from mmio.space.void import Void


class NoPorts(Void):
    """The ports where no device answers, for a program that has a right to them."""

    def __init__(self, rights: PortRights, answer: NoDevice) -> None:
        self._rights, self._answer = rights, answer

    def holes(self, port: int, width: int) -> int:
        """Return that every byte is missing. Raises NotGranted, or UnmappedAccess where that is the answer."""
        _check(self._rights, port, width)
        if self._answer == "error":
            raise UnmappedAccess(
                f"no device answers at port {port:#x}: add one (--device FILE.py:CLASS@ports:{port:#x}+{width}), or "
                f"use unmapped='ones' (--unmapped=ones)"
            )
        return super().holes(port, width)


class ThroughPorts(RealPorts):
    """The ports of this machine where no device answers, for a program that has a right to them."""

    def __init__(self, rights: PortRights) -> None:
        self._rights = rights

    def read(self, port: int, width: int) -> int:
        """Read a port. Raises NotGranted, or OSError where this process has no right to it."""
        _check(self._rights, port, width)
        return super().read(port, width)

    def write(self, port: int, width: int, value: int) -> None:
        """Write a port. Raises as `read`."""
        _check(self._rights, port, width)
        super().write(port, width, value)


def other_ports(rights: PortRights, answer: NoDevice) -> Region:
    """Return the region of all ports, which lies below those of the devices."""
    device: DeviceLike = ThroughPorts(rights) if answer == "real" else NoPorts(rights, answer)
    return Region(0, PORTS, device, "ports", Policy(widths=(1, 2, 4), unmapped=policy_word(answer)), UNDER_DEVICES)


def _check(rights: PortRights, port: int, width: int) -> None:
    if port_bits(port, width) & ~rights.granted:
        raise NotGranted("touches a port that the program has no right to")
