"""Features of this machine's CPU that the oracle is told to do without.

`PAGETRAP_HIDE=AVX512` makes the suite judge as on a CPU without AVX-512: no case of its forms is made, and its
registers are not compared. The words are CPUID features as iced-x86 calls them, or the beginning of their names:
"AVX512" hides AVX512F, AVX512BW and the rest. A feature that needs a hidden one is hidden, too.

Most instructions that a CPU lacks raise #UD there, which `host.host_has` finds out. A few do not: `taken_for_others`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import Final

from iced_x86 import Code_, CpuidFeature, Instruction

from mmio.linux.trampoline import trampoline

VARIABLE: Final = "PAGETRAP_HIDE"
FEATURES: Final[dict[int, str]] = {
    value: name for name, value in vars(CpuidFeature).items() if isinstance(value, int) and name.isupper()
}
# What the vector registers of a feature are needed for, besides the features whose names begin with its name.
_NEEDED_BY: Final = {
    "XSAVE": ("AVX",),
    "AVX": ("F16C", "FMA", "FMA4", "VAES", "VPCLMULQDQ", "XOP"),
    "AVX2": ("AVX512",),
}
# Leaf, register (EAX is 0) and bit of CPUID (SDM vol. 2, CPUID; APM vol. 3, appendix E).
_EXTENDED: Final = 0x80000000
_CPUID_BITS: Final = {
    "BMI1": (7, 1, 3),
    "LZCNT": (_EXTENDED + 1, 2, 5),
    "LWP": (_EXTENDED + 1, 2, 15),
    "TBM": (_EXTENDED + 1, 2, 21),
    "XOP": (_EXTENDED + 1, 2, 11),
}


@functools.cache
def hidden() -> frozenset[str]:
    """Return the features that PAGETRAP_HIDE hides.

    Raises:
        ValueError: a word in it is not the beginning of any feature's name.
    """
    words = [word.strip().upper() for word in os.environ.get(VARIABLE, "").split(",") if word.strip()]
    return frozenset(_named(words))


def _named(words: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        names = {name for name in FEATURES.values() if name.startswith(word)}
        if not names:
            raise ValueError(f"{VARIABLE}: expected CPUID features such as AVX512, AVX2 or MOVBE, got {word!r}")
        found |= names
        for name in names & _NEEDED_BY.keys():
            found |= _named(_NEEDED_BY[name])
    return found


@functools.cache
def taken_for_others() -> frozenset[str]:
    """Return the features without which this CPU takes an instruction's bytes for another instruction.

    LZCNT is BSR then and TZCNT BSF, the prefix being ignored (SDM vol. 2, LZCNT, TZCNT). The bytes of XOP, TBM and LWP
    are POP's with a reserved field that emulated CPUs ignore.
    """
    cpuid = trampoline().cpuid
    highest = cpuid(0)[0]
    return frozenset(
        name
        for name, (leaf, register, bit) in _CPUID_BITS.items()
        if (leaf < _EXTENDED and leaf > highest) or not cpuid(leaf)[register] >> bit & 1
    )


@functools.cache
def needed(code: Code_) -> frozenset[str]:
    """Return the features that an instruction form needs, by its iced-x86 `Code`."""
    instruction = Instruction()
    instruction.code = code
    return frozenset(FEATURES[feature] for feature in instruction.cpuid_features())
