"""Moves of vectors whose memory operand must be aligned, with those that do the same at any address.

MOVAPS raises a general protection fault where its operand is not aligned to its width; MOVUPS moves the same bytes
(SDM vol. 1, 4.1.1, and vol. 2 at each instruction). The hint of a non-temporal move is no part of what it moves.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

from iced_x86 import Code

_VECTORS: Final = {"XMM": 128, "YMM": 256, "ZMM": 512}  # and the bits of each


def _pairs() -> Iterator[tuple[str, str]]:
    """Yield the names of two forms in iced-x86's `Code`, some of which there are not."""
    for prefix, (vector, bits) in product(("", "VEX_V", "EVEX_V"), _VECTORS.items()):
        mask, integers = ("_K1Z", "MOVDQU32") if prefix == "EVEX_V" else ("", "MOVDQU")
        load, store = f"_{vector}{mask}_{vector}M{bits}", f"_{vector}M{bits}{mask}_{vector}"
        for aligned in ("MOVAPS", "MOVAPD", "MOVDQA", "MOVDQA32", "MOVDQA64"):
            for operands in (load, store):
                yield prefix + aligned + operands, prefix + aligned.replace("QA", "QU").replace("VA", "VU") + operands
        yield f"{prefix}MOVNTDQA_{vector}_M{bits}", prefix + integers + load
        for aligned, other in (("MOVNTPS", "MOVUPS"), ("MOVNTPD", "MOVUPD"), ("MOVNTDQ", integers)):
            yield f"{prefix}{aligned}_M{bits}_{vector}", prefix + other + store


ANY_ALIGNMENT: Final[Mapping[str, str]] = {aligned: other for aligned, other in _pairs() if hasattr(Code, aligned)}
"""By the form of an instruction whose operand must be aligned, that of one whose operand need not be."""
