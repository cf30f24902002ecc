"""Constant parts of this kernel's signal frames, for frames built by stubs."""

from ctypes import c_uint32, c_uint64
from typing import Final

from attrs import frozen

from mmio.linux import xsave
from mmio.linux.trampoline import trampoline
from mmio.patching.sites import NotPatched

_STATE_COMPONENTS: Final = 0xD  # CPUID leaf; sub-leaf 1, EAX bit 2: XGETBV with ECX = 1


@frozen
class KernelFrame:
    """Parts of a frame.

    Attributes:
        software: three words of the XSAVE area that are for software (struct _fpx_sw_bytes).
        size: bytes of the XSAVE area, with the word that marks its end.
        features: state components that it has room for.
        tells_use: XGETBV tells which components are in use.
    """

    software: tuple[int, int, int]
    size: int
    features: int
    tells_use: bool


def kernel_frame(area: int) -> KernelFrame:
    """Return what frames have in common, from the address of the XSAVE area of one.

    Raises:
        NotPatched: they have no XSAVE area.
    """
    magic, size = (c_uint32 * 2).from_address(area + xsave.SOFTWARE) if area else (0, 0)
    if magic != xsave.MAGIC or not xsave.has_xsave():  # a kernel without XSAVE makes that mark, too
        raise NotPatched("this CPU has no XSAVE")
    first, second, third = (c_uint64 * 3).from_address(area + xsave.SOFTWARE)
    tells_use = bool(trampoline().cpuid(_STATE_COMPONENTS, 1)[0] >> 2 & 1)
    return KernelFrame((first, second, third), size, second, tells_use)
