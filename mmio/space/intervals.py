"""Ranges that may overlap, and which of them touch a given one.

Watchpoints lie anywhere and over each other, so a sorted list does not do: what touches a byte may have begun far below
it. This is a treap, a binary tree in the order of the starts that is balanced by chance (the ranks are hashes). Every
node knows how far its part of the tree reaches. Finding what touches a range takes as many steps as the tree is deep,
for each that is found.

Nothing in it ever changes: adding and removing make a new tree out of the old one's parts, so that another thread sees
the one or the other.
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple, Optional, Protocol, TypeAlias, TypeVar


class Interval(Protocol):
    """Something from `start` up to `end`, which is not part of it."""

    @property
    def start(self) -> int:
        """Its first place."""

    @property
    def end(self) -> int:
        """One past its last place."""


T = TypeVar("T", bound=Interval)
_Key: TypeAlias = tuple[int, int]


class _Node(NamedTuple):
    """A range, those that sort before it, those that sort after it, and the highest end of them all."""

    key: _Key
    item: Interval
    left: Optional["_Node"]
    right: Optional["_Node"]
    reach: int


class Intervals(Generic[T]):
    """An immutable set of ranges; the same one may be in it once."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node | None = None

    def __bool__(self) -> bool:
        return self._root is not None

    def added(self, item: T) -> "Intervals[T]":
        """Return the set with a range more."""
        key = _key(item)
        return self._of(_added(self._root, key, hash(key), item))

    def removed(self, item: T) -> "Intervals[T]":
        """Return the set without a range, which must be in it."""
        return self._of(_removed(self._root, _key(item)))

    def touching(self, start: int, end: int) -> list[T]:
        """Return the ranges that have a byte in start..end, in the order of their starts."""
        found: list[T] = []
        if self._root is not None:
            _collect(self._root, start, end, found)
        return found

    def covered(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Cut start..end into the stretches that are in some range and those in none, each as long as can be."""
        while start < end:
            reach = min(self._reach_from(start), end)
            if reach > start:
                while (further := min(self._reach_from(reach), end)) > reach:
                    reach = further
                yield start, reach, True
            else:
                reach = min(self._next_start(start, end), end)
                yield start, reach, False
            start = reach

    def _reach_from(self, address: int) -> int:
        """Return the highest end of what starts at or below an address, 0 when nothing does."""
        node, reach = self._root, 0
        while node is not None:
            if node.key[0] > address:
                node = node.left
                continue
            reach = max(reach, node.item.end, node.left.reach if node.left is not None else 0)
            node = node.right
        return reach

    def _next_start(self, address: int, default: int) -> int:
        """Return the lowest start above an address."""
        node, found = self._root, default
        while node is not None:
            if node.key[0] > address:
                found, node = node.key[0], node.left
            else:
                node = node.right
        return found

    def _of(self, root: _Node | None) -> "Intervals[T]":
        made: Intervals[T] = Intervals()
        made._root = root
        return made


def _key(item: Interval) -> _Key:
    return item.start, id(item)


def _joined(node: _Node, left: _Node | None, right: _Node | None) -> _Node:
    """Return a node with other children."""
    reach = node.item.end
    if left is not None and left.reach > reach:
        reach = left.reach
    if right is not None and right.reach > reach:
        reach = right.reach
    return _Node(node.key, node.item, left, right, reach)


def _added(node: _Node | None, key: _Key, rank: int, item: Interval) -> _Node:
    """Return a tree with a range more: as deep down as those above it have higher ranks."""
    if node is None or rank > hash(node.key):
        below, above = _split(node, key)
        return _joined(_Node(key, item, None, None, 0), below, above)
    if key < node.key:
        return _joined(node, _added(node.left, key, rank, item), node.right)
    return _joined(node, node.left, _added(node.right, key, rank, item))


def _removed(node: _Node | None, key: _Key) -> _Node | None:
    """Return a tree without a range: what was below it takes its place."""
    assert node is not None
    if node.key == key:
        return _merged(node.left, node.right)
    if key < node.key:
        return _joined(node, _removed(node.left, key), node.right)
    return _joined(node, node.left, _removed(node.right, key))


def _split(node: _Node | None, key: _Key) -> tuple[_Node | None, _Node | None]:
    """Take a tree apart: what sorts below a key, and the rest."""
    if node is None:
        return None, None
    if node.key < key:
        below, rest = _split(node.right, key)
        return _joined(node, node.left, below), rest
    below, rest = _split(node.left, key)
    return below, _joined(node, rest, node.right)


def _merged(below: _Node | None, above: _Node | None) -> _Node | None:
    """Put two trees together of which one sorts wholly below the other."""
    if below is None:
        return above
    if above is None:
        return below
    if hash(below.key) > hash(above.key):
        return _joined(below, below.left, _merged(below.right, above))
    return _joined(above, _merged(below, above.left), above.right)


def _collect(node: _Node, start: int, end: int, found: list[T]) -> None:
    _, item, left, right, _ = node
    if left is not None and left.reach > start:
        _collect(left, start, end, found)
    if item.start < end:
        if item.end > start:
            found.append(item)  # type: ignore[arg-type]  # only `added` puts items in
        if right is not None and right.reach > start:
            _collect(right, start, end, found)
