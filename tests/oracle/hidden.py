"""Features of this machine's CPU that the oracle is told to do without.

`PAGETRAP_HIDE=AVX512` makes the suite judge as on a CPU without AVX-512: no case of its forms is made, and its
registers are not compared. The words are CPUID features as iced-x86 calls them, or the beginning of their names:
"AVX512" hides AVX512F, AVX512BW and the rest. A feature that needs a hidden one is hidden, too.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import Final

from iced_x86 import Code_, CpuidFeature, Instruction

VARIABLE: Final = "PAGETRAP_HIDE"
FEATURES: Final[dict[int, str]] = {
    value: name for name, value in vars(CpuidFeature).items() if isinstance(value, int) and name.isupper()
}
# What the vector registers of a feature are needed for, besides the features whose names begin with its name.
_NEEDED_BY: Final = {"AVX": ("F16C", "FMA", "FMA4", "VAES", "VPCLMULQDQ", "XOP"), "AVX2": ("AVX512",)}


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
def needed(code: Code_) -> frozenset[str]:
    """Return the features that an instruction form needs, by its iced-x86 `Code`."""
    instruction = Instruction()
    instruction.code = code
    return frozenset(FEATURES[feature] for feature in instruction.cpuid_features())
