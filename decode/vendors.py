"""Differences between Intel's and AMD's CPUs in decoding and executing the same bytes.

Both makers' manuals describe one instruction set, and where they contradict each other or say nothing, CPUs differ:
`decode` knows the encodings, the sizes and the accesses, `emulate` the rest. docs/vendors.md has all of it.
"""

from typing import Final, Literal, TypeAlias

from iced_x86 import DecoderOptions, DecoderOptions_

Vendor: TypeAlias = Literal["intel", "amd"]

VENDORS: Final[tuple[Vendor, ...]] = ("intel", "amd")

OPTIONS: Final[dict[Vendor, DecoderOptions_]] = {"intel": DecoderOptions.NONE, "amd": DecoderOptions.AMD}
"""What iced-x86's decoder is told. AMD's CPUs obey an operand size prefix of near branches in 64-bit code, and know no
far pointers with 64-bit offsets (APM vol. 3, CALL, JMP, LFS)."""

_AMD_NAMES: Final = ("AuthenticAMD", "HygonGenuine")
"""What CPUID leaf 0 says on AMD's CPUs, and on Hygon's, which are AMD's Zen under licence."""


def check_vendor(vendor: object) -> None:
    """Raise ValueError unless it is one of `VENDORS`."""
    if vendor not in VENDORS:
        raise ValueError(f"vendor is {' or '.join(map(repr, VENDORS))}, not {vendor!r}")


def vendor_of(name: str) -> Vendor:
    """Return whose CPUs one behaves like that calls itself `name` in CPUID leaf 0: Intel's unless it is known better.

    Args:
        name: EBX, EDX and ECX as text: "GenuineIntel". Centaur's and Zhaoxin's CPUs count as Intel's; none was tried.
    """
    return "amd" if name in _AMD_NAMES else "intel"
