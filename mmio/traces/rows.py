"""Accesses as plain rows, for csv, json, or a data frame without Arrow."""

from collections.abc import Sequence
from typing import Any, overload

from mmio.records.access import Access
from mmio.records.flags import flag_names


class Rows(Sequence[dict[str, Any]]):
    """Rows of accesses, each made when it is looked at. Every row has every key; what an access has not is None.

    Args:
        accesses: the accesses.
    """

    def __init__(self, accesses: Sequence[Access]) -> None:
        self._accesses = accesses

    def __len__(self) -> int:
        return len(self._accesses)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> "Rows": ...
    def __getitem__(self, index: int | slice) -> "dict[str, Any] | Rows":
        if isinstance(index, slice):
            return Rows(self._accesses[index])
        return row(self._accesses[index])

    def __repr__(self) -> str:
        return f"<Rows of {len(self):,} accesses>"


def row(access: Access) -> dict[str, Any]:
    """Return an access as a dict, with the keys of JSON Lines."""
    return {
        "sequence": access.sequence,
        "time": access.time,
        "thread": access.thread,
        "direction": access.letter,
        "space": access.space,
        "address": access.address,
        "width": access.width,
        "value": access.value,
        "old": access.old,
        "region": access.region,
        "offset": access.offset,
        "register": access.register,
        "fields": access.decoded or None,
        "ip": access.ip or None,
        "text": access.text or None,
        "flags": list(flag_names(access.flags)),
    }
