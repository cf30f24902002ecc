"""Policies for accesses that a device does not support.

Real devices differ: one takes any width anywhere, one hangs the bus on a byte write, one sits behind a bridge
that cuts everything to dwords. The device model should not have to care, so the rule is data on the mapping.
The model sees the access exactly as the instruction made it, unless its mapping says otherwise here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NewType

from attrs import field, fields_dict, frozen

from mmio.arguments import integer, known, shortened
from mmio.records.flags import SPLIT, TOO_WIDE, UNALIGNED

Unmapped = Literal["error", "ones", "zeros"]
Misfit = Literal["error", "split", "pass"]
Piece = tuple[int, int, int]  # offset within the access, width, flags
Pieces = tuple[Piece, ...]

WIDTHS: Final = frozenset((1, 2, 4, 8, 16, 32, 64))
_PHASE: Final = max(WIDTHS)  # alignment repeats after the widest width

Refusal = NewType("Refusal", str)  # why a policy does not let an access through


def _widths(value: Iterable[int]) -> frozenset[int]:
    given = value if isinstance(value, Collection) else [*value] if isinstance(value, Iterable) else [value]
    try:
        if isinstance(given, str | bytes):  # bytes are ints, too, and never widths
            raise TypeError
        widths = frozenset(integer("a width", width) for width in given)  # 4.0 and True are equal to widths, and none
    except TypeError:
        raise TypeError(f"widths must be some of {sorted(WIDTHS)}, not {shortened(value)}") from None
    if not widths or not widths <= WIDTHS:
        raise ValueError(f"widths must be some of {sorted(WIDTHS)}, not {sorted(widths)}")
    return widths


def _one_of(words: tuple[str, ...]) -> Callable[[Any, Any, str], None]:
    def check(policy: Any, attribute: Any, word: str) -> None:
        if word not in words:
            raise ValueError(f"{attribute.name} is one of {', '.join(words)}, not {word!r}")

    return check


@frozen(cache_hash=True)
class Policy:
    """The accesses that a mapping allows, and the treatment of others.

    `widths`: the widths in bytes that the device supports.
    `too_wide`: a wider access (or one of a width in between, such as 6) is refused, split into accepted
    widths, or passed on. An access narrower than all of them is refused: there is nothing to split it into.
    `unaligned`: an access (or piece) not aligned to its own width, counted from the start of the device, is
    refused, split into aligned ones, or passed on.
    `unmapped`: an access to a byte where nothing is raises, or reads as ones or zeros and ignores writes.
    """

    widths: frozenset[int] = field(default=frozenset((1, 2, 4, 8)), converter=_widths)
    unaligned: Misfit = field(default="pass", validator=_one_of(("error", "split", "pass")))
    too_wide: Misfit = field(default="split", validator=_one_of(("error", "split", "pass")))
    unmapped: Unmapped = field(default="error", validator=_one_of(("error", "ones", "zeros")))

    @property
    def plain_widths(self) -> frozenset[int]:
        """The widths that go to the device as they are, whatever the offset."""
        return self.widths if self.unaligned == "pass" else self.widths & {1}

    def pieces(self, offset: int, width: int, at_border: bool = False) -> Pieces | Refusal:
        """Split an access into those that the device gets, in address order, or return why it is refused.

        `at_border`: the access is a part of one that was split at a border between regions. It may have any width, and
        is always split into accepted ones.
        """
        return _pieces(self, offset % _PHASE, width, at_border)


def policies(function: str, given: Mapping[str, Any], *others: str) -> dict[str, Any]:
    """Check the policies that a function was given; return them so that they can be used more than once.

    Args:
        function: the one that was called.
        given: what came as policies.
        others: names of the function's other keyword arguments, one of which may be meant.

    Raises:
        TypeError: there is no such policy, or widths are no ints.
        ValueError: a policy has no such value.
    """
    known(function, given, (*fields_dict(Policy), *others))
    policy = Policy(**given)
    return {name: getattr(policy, name) for name in given}


ANYTHING: Final = Policy(widths=WIDTHS, too_wide="pass")  # plain memory


@lru_cache(maxsize=4096)
def _pieces(policy: Policy, phase: int, width: int, at_border: bool) -> Pieces | Refusal:
    accepted = ", ".join(map(str, sorted(policy.widths)))
    flags = SPLIT if at_border else 0
    if width not in policy.widths:
        if width < min(policy.widths):
            return Refusal(f"narrower than every width the mapping allows ({accepted})")
        if not at_border:
            if policy.too_wide == "pass":
                return ((0, width, 0),)
            if policy.too_wide == "error":
                return Refusal(f"width not among those the mapping allows ({accepted})")
            flags |= SPLIT | TOO_WIDE
    elif policy.unaligned == "split" and phase % width:
        flags |= SPLIT | UNALIGNED

    pieces = []
    at = 0
    while at < width:
        fitting = [
            w for w in policy.widths if w <= width - at and not (policy.unaligned == "split" and (phase + at) % w)
        ]
        if not fitting:
            return Refusal(f"cannot be split into the widths the mapping allows ({accepted})")
        piece = max(fitting)
        if policy.unaligned == "error" and (phase + at) % piece:
            return Refusal(f"not aligned to {piece} bytes, which the mapping requires")
        pieces.append((at, piece, flags))
        at += piece
    return tuple(pieces)
