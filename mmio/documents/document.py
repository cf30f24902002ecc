"""Create a document by the name of its format."""

from collections.abc import Callable
from typing import Any, Final

from mmio.arguments import one_of
from mmio.device.device import Device
from mmio.documents.header import header
from mmio.documents.outline import checked
from mmio.documents.svd import svd
from mmio.documents.tables import html, markdown

FORMATS: Final[dict[str, Callable[[type[Device]], str]]] = {
    "markdown": markdown,
    "html": html,
    "c": header,
    "svd": svd,
}
"""What makes the text of each format."""


def document(device: type[Any] | Any, format: str = "markdown") -> str:
    """Return the registers of a Device class (or of a device's class) as a document.

        print(document(Timer))
        Path("timer_registers.h").write_text(document(Timer, "c"))

    Args:
        device: the class, or a device.
        format: markdown or html (tables of registers and fields), c (a header with offsets, masks, shifts and names
            of values), or svd (CMSIS-SVD, of which `from_svd` makes the same layout). SystemRDL is `to_rdl`.

    Raises:
        TypeError: it is no Device class.
        ValueError: it has no registers, there is no such format, or arrays are nested too deep for a header.
        DefinitionError: SVD has no words for it, as for registers that come and go.
    """
    one_of("format", format, FORMATS)
    return FORMATS[format](checked(device))
