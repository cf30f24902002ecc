"""Answer a program where no device model does.

On a PC nothing claims such an access: a read gives ones, a write is lost, and the program goes on. Tools that look for
hardware count on that.
"""

from typing import Final

from mmio.errors import UnmappedAccess
from mmio.linux.io_ports import PORTS, RealPorts
from mmio.program.ports import NotGranted, PortRights, port_bits
from mmio.program.targets import NoDevice, policy_word
from mmio.space.policy import Policy
from mmio.space.region import DeviceLike, Region, Void

_UNDER: Final = -1  # the priority of what lies below all devices


class Beyond(Void):
    """The rest of a mapping in which devices answer, where they do not.

    Args:
        offset: where in the file the mapping begins; its address where it is no file's.
        place: what the mapping is of.
        devices: what answers there and where, for the message.
    """

    def __init__(self, offset: int, place: str, devices: str) -> None:
        self._offset, self._place, self._devices = offset, place, devices

    def holes(self, offset: int, width: int) -> int:
        """Raise `UnmappedAccess`."""
        at = self._offset + offset
        raise UnmappedAccess(
            f"no device answers at {at:#x} of {self._place} ({self._devices}): make a device longer, or let "
            f"unmapped='ones' answer (--unmapped=ones)"
        )


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
                f"let unmapped='ones' answer (--unmapped=ones)"
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
    return Region(0, PORTS, device, "ports", Policy(widths=(1, 2, 4), unmapped=policy_word(answer)), _UNDER)


def _check(rights: PortRights, port: int, width: int) -> None:
    if port_bits(port, width) & ~rights.granted:
        raise NotGranted("touches a port that the program has no right to")
