"""Targets: the files, addresses and ports to trap, and the devices that answer there.

A target is described before any program runs: files by a pattern of their paths or by a descriptor's number, ranges of
addresses, IO ports, and files another file stands in for. Here is the matching; placing a target in a process is the
business of `process.py`.
"""

import fnmatch
import os
from collections.abc import Iterable, Iterator, Mapping
from glob import has_magic
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import field, frozen

from mmio.linux import own_table
from mmio.linux.libc import PAGE, pages
from mmio.linux.seccomp import Equal, When
from mmio.space.policy import WIDTHS, Unmapped
from mmio.space.region import DeviceLike, Watcher

if TYPE_CHECKING:
    from mmio.device.clock import Clock

NoDevice: TypeAlias = Literal["error", "ones", "zeros", "real"]
"""Raise UnmappedAccess; read as ones or zeros and lose writes; or access what this machine has there."""

ANSWERS: Final[tuple[NoDevice, ...]] = ("error", "ones", "zeros", "real")

REAL: Final[dict[str, Any]] = {"widths": WIDTHS, "too_wide": "pass"}
"""The policy of memory that is really there: it takes what the CPU can do."""

PROGRAM_END: Final = 1 << 47
"""The first address that no program has (5-level paging aside, whose further addresses a program must ask for)."""

_ALL: Final = 1 << 64
_MARGIN: Final = 1 << 16  # bytes before a range where a buffer that continues into it may begin
_MOST_WATCHED: Final = 16  # ranges that a seccomp filter of 4,096 instructions has room for, beside all else


@frozen(eq=False)
class FileTarget:
    """Mappings of a file, or what a device answers in place of a file.

    Attributes:
        file: a pattern of paths as `fnmatch` has them, or the number of the descriptor that is mapped.
        device: who answers; None to trace the file itself.
        offset, length: the part of the file meant, in bytes.
        name: of the region in records; the file's path when left out.
        policies: see `mmio.Policy`.
        recorded: whether the reads and writes that a device answers are recorded.
    """

    file: str | int
    device: DeviceLike | None = None
    offset: int = 0
    length: int = _ALL
    name: str | None = None
    policies: dict[str, Any] = field(factory=dict)
    recorded: bool = True

    @property
    def end(self) -> int:
        """The first byte of the file that is not meant."""
        return self.offset + self.length

    def matches(self, path: str, descriptor: int | None = None) -> bool:
        """Return whether a file is meant, by its path (links resolved or not) or a descriptor."""
        return self.file == descriptor if isinstance(self.file, int) else matches(self.file, path)

    @property
    def takes_code(self) -> bool:
        """Return whether mappings that may be executed are meant, too.

        Code cannot run where nothing may be read, so a pattern such as "*" does not mean the libraries it matches.
        """
        return self.device is not None or isinstance(self.file, int) or not has_magic(self.file)

    def __str__(self) -> str:
        return f"file {self.file!r}" if isinstance(self.file, str) else f"descriptor {self.file}"


@frozen(eq=False)
class RangeTarget:
    """A range of addresses of the program, as FileTarget otherwise. A device answers also where nothing is mapped."""

    start: int
    length: int
    device: DeviceLike | None = None
    name: str | None = None
    policies: dict[str, Any] = field(factory=dict)

    @property
    def end(self) -> int:
        """The first address beyond."""
        return self.start + self.length

    @property
    def advice(self) -> str:
        """The advice for a program that had nothing mapped there; "" where a device answers all the same."""
        if self.device is not None:
            return ""
        where = f"FILE.py:CLASS@range:{self.start:#x}+{self.length:#x}"
        return (
            f": it had nothing mapped there, and an access was its own SIGSEGV; a device would answer there "
            f"(pagetrap run --device {where}, or `map` with a device)"
        )

    def __str__(self) -> str:
        return f"addresses {self.start:#x}..{self.end:#x}"


@frozen(eq=False)
class PortTarget:
    """IO ports.

    Attributes:
        device: who answers there; None to trace the ports of this machine.
    """

    port: int
    count: int
    device: DeviceLike | None
    name: str | None = None
    policies: dict[str, Any] = field(factory=dict)

    @property
    def end(self) -> int:
        """The first port beyond."""
        return self.port + self.count

    def __str__(self) -> str:
        return f"ports {self.port:#x}..{self.end:#x}"


@frozen(eq=False)
class Redirection:
    """A file that stands in for others."""

    pattern: str
    file: str

    def __str__(self) -> str:
        return f"file {self.pattern!r} (redirected to {self.file!r})"


@frozen(eq=False)
class Tree:
    """A directory that stands in for another, with all that is in it.

    Attributes:
        prefix: the path of the one that programs name.
        directory: the path of the one that is there.
    """

    prefix: str
    directory: str

    def there(self, path: str) -> str | None:
        """Return the file that stands in for a path; None where the path is not in the directory."""
        return _moved(path, self.prefix, self.directory)

    def named(self, path: str) -> str | None:
        """Return the path that programs have for a file of the directory that is there; None for other files."""
        return _moved(path, self.directory, self.prefix)


def _moved(path: str, old: str, new: str) -> str | None:
    return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else None


@frozen(eq=False)
class Group:
    """Targets of one thing, which has been matched when one of them has."""

    parts: tuple[FileTarget | PortTarget, ...]
    name: str

    def __str__(self) -> str:
        return self.name


Target = FileTarget | RangeTarget | PortTarget | Redirection


def policy_word(answer: NoDevice) -> Unmapped:
    """Return the `unmapped` policy inside a device, where nothing real can lie behind a register that is missing."""
    return "error" if answer == "real" else answer


class Targets:
    """All targets of a tracer, and which of them the program has matched so far.

    Attributes:
        files, ranges, ports, redirections: by kind, in the order they were named.
        trees: directories that stand in for others; a device that answers for a file there comes first.
        groups: targets of one thing.
        matched: the targets that the program has matched so far.
        watches: watchpoints, which every process has.
        no_device: what answers where no device does.
        clock: what a program's time follows, or continues by where it sleeps; None for the host's time.
        time_calls: the calls that follow it, each with the conditions under which it stops; none where sleep counts.
        too_short: those whose device has no length of its own, and of which the program wanted more than a page.
    """

    def __init__(self) -> None:
        self.watches: list[Watcher] = []
        self.files: list[FileTarget] = []
        self.ranges: list[RangeTarget] = []
        self.ports: list[PortTarget] = []
        self.redirections: list[Redirection] = []
        self.trees: list[Tree] = []
        self.groups: list[Group] = []
        self.matched: set[Target] = set()
        self.too_short: set[FileTarget] = set()
        self.no_device: NoDevice = "error"
        self._ports_matched = False
        self.clock: Clock | None = None
        self.time_calls: Mapping[str, tuple[When | Equal, ...]] = {}

    def __iter__(self) -> Iterator[Target]:
        return iter([*self.files, *self.ranges, *self.ports, *self.redirections])

    @property
    def unmatched(self) -> list[Target | Group]:
        """The targets that the program has not matched, in the order of their kinds, those of a group as one."""
        grouped = {part for group in self.groups for part in group.parts}
        alone = [target for target in self if target not in self.matched and target not in grouped]
        return [*alone, *(group for group in self.groups if not self.matched.intersection(group.parts))]

    @property
    def answered_ports(self) -> list[PortTarget]:
        """The ports where devices answer."""
        return [target for target in self.ports if target.device is not None]

    @property
    def real_ports(self) -> list[PortTarget]:
        """The ports of this machine that are traced."""
        return [target for target in self.ports if target.device is None]

    @property
    def fixed_devices(self) -> list[RangeTarget]:
        """The ranges where devices answer, whether anything is mapped there or not."""
        return [target for target in self.ranges if target.device is not None]

    def has_device_at(self, address: int) -> bool:
        """Return whether a device answers at an address of the program, whatever is mapped there."""
        return any(t.start <= address < t.end for t in self.ranges if t.device is not None)

    def policies(self, own: dict[str, Any]) -> dict[str, Any]:
        """Return the policies of a device's region: its target's own, and what answers where it has no register."""
        return {"unmapped": policy_word(self.no_device)} | own

    def match_ports(self) -> None:
        """Remember that the program uses IO ports."""
        if not self._ports_matched:
            self._ports_matched = True
            self.matched.update(self.ports)

    def concerns(self) -> dict[str, Any]:
        """Return which kinds of system calls matter, as `table.rules` takes it."""
        devices = any(target.device is not None for target in self.files)
        return {
            "ranges": bool(self.ranges),
            "redirects": devices or bool(self.redirections) or bool(self.trees) or bool(self.answered_ports),
            "devices": devices or bool(self.answered_ports),
            "ports": bool(self.ports),
            "more": self.time_calls,
        } | ({"trees": True} if self.trees else {})

    def watched(self) -> list[range]:
        """Return the addresses that a system call with an argument there is stopped for, besides trapped mappings.

        They are few, in order: what lies between ranges is taken in where there are many.
        """
        found = merged((max(target.start - _MARGIN, 0), min(pages(target.end), _ALL)) for target in self.ranges)
        while len(found) > _MOST_WATCHED:
            _, at = min((found[at + 1][0] - found[at][1], at) for at in range(len(found) - 1))
            found[at : at + 2] = [(found[at][0], found[at + 1][1])]
        return [range(start, end) for start, end in found]

    def of_file(self, path: str, descriptor: int | None = None, *, executable: bool = False) -> list[FileTarget]:
        """Return the targets that a file matches, and remember that they have been matched.

        `executable`: it is about a mapping of the file that may be executed.
        """
        found = [t for t in self.files if t.matches(path, descriptor) and (t.takes_code or not executable)]
        self.matched.update(found)
        return found

    def answers(self, path: str) -> bool:
        """Return whether a device answers for (some part of) a file, so that the real one is not opened."""
        return any(target.device is not None for target in self.of_file(path))

    def redirected(self, path: str) -> str | None:
        """Return the file that stands in for a path."""
        for redirection in self.redirections:
            if matches(redirection.pattern, path):
                self.matched.add(redirection)
                return redirection.file
        return self.in_tree(path)

    def in_tree(self, path: str) -> str | None:
        """Return the file that stands in for a path by its directory."""
        return next((found for tree in self.trees if (found := tree.there(path)) is not None), None)

    def named(self, path: str) -> str:
        """Return a path as the program has it: one that it got to by a directory that stands in for another."""
        return next((found for tree in self.trees if (found := tree.named(path)) is not None), path)

    def wanted(self, path: str, end: int) -> None:
        """Note that the program maps or reads a file up to `end`."""
        for target in self.of_file(path):
            if is_assumed(target) and target.offset + PAGE < end:
                self.too_short.add(target)

    def extent(self, path: str) -> int:
        """Return how long a file is that devices answer for: to the end of the last of them."""
        ends = [target.offset + extent_of(target) for target in self.of_file(path) if target.device is not None]
        return max(ends, default=0)


def merged(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return stretches of addresses, each a start and an end, in order, those that touch each other as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def without(stretches: Iterable[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """Return stretches of addresses, and nothing of them that lies from `start` to `end`."""
    parts = (part for first, last in stretches for part in ((first, min(last, start)), (max(first, end), last)))
    return [(first, last) for first, last in parts if first < last]


def extent_of(target: FileTarget) -> int:
    """Return the length of a target's device: as said, or as the device says itself, or a page."""
    return _length_of(target) or PAGE


def is_assumed(target: FileTarget) -> bool:
    """Return whether nothing says how long a target's device is, so that a page is taken for it."""
    return target.device is not None and not _length_of(target)


def _length_of(target: FileTarget) -> int:
    if target.length != _ALL:
        return target.length
    length = getattr(target.device, "length", None) or getattr(getattr(target.device, "layout", None), "extent", None)
    return int(length or 0)


def matches(pattern: str, path: str) -> bool:
    """Return whether a path fits a pattern, or is what a link that fits it leads to."""
    if fnmatch.fnmatchcase(path, pattern):
        return True
    return any(os.path.realpath(found) == path for found in own_table.paths(pattern))
