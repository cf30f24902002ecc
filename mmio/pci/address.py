"""Addresses of functions: domain, bus, device and function, as lspci writes them."""

import re
from typing import Any, Final, NamedTuple

from mmio.arguments import shortened

_FORM: Final = re.compile(r"(?:(?:([0-9a-fA-F]{1,4}):)?([0-9a-fA-F]{1,2}):)?([0-9a-fA-F]{1,2})\.([0-7])")
FORM: Final = "[[DOMAIN:]BUS:]DEVICE.FUNCTION in hexadecimal, such as 00:03.0"
_DEVICES: Final = 32


class PciAddress(NamedTuple):
    """The address of a function.

    Attributes:
        domain, bus: 0 for a small machine's only ones.
        device: 0 to 31.
        function: 0 to 7.
    """

    domain: int
    bus: int
    device: int
    function: int

    @property
    def place(self) -> int:
        """Device and function as one number, as registers have them."""
        return self.device << 3 | self.function

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function}"


def pci_address(text: Any) -> PciAddress:
    """Parse an address, as `lspci -s` has it: "00:03.0", "0000:00:03.0", "3.0".

    Args:
        text: the address, or one that has been parsed.

    Raises:
        TypeError: it is no text.
        ValueError: it is not of this form.
    """
    if isinstance(text, PciAddress):
        return text
    if not isinstance(text, str):
        raise TypeError(f"a PCI address is {FORM}, not {shortened(text)}")
    match = _FORM.fullmatch(text)
    if match is None or int(match[3], 16) >= _DEVICES:
        raise ValueError(f"a PCI address is {FORM}, not {shortened(text)}")
    domain, bus, device = (int(match[number] or "0", 16) for number in (1, 2, 3))
    return PciAddress(domain, bus, device, int(match[4]))
