"""Find the vendor of this CPU, which the live sources follow."""

from functools import cache

from decode import Vendor, vendor_of
from mmio.linux.trampoline import trampoline


@cache
def cpu_vendor() -> Vendor:
    """Return whose CPUs the one at hand behaves like, by CPUID leaf 0 (SDM vol. 2A, CPUID)."""
    _, ebx, ecx, edx = trampoline().cpuid(0)
    name = b"".join(word.to_bytes(4, "little") for word in (ebx, edx, ecx))
    return vendor_of(name.decode("ascii", "replace"))
