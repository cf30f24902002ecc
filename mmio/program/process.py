"""A program's process: its memory as an address space, and its trapped ranges.

A trapped mapping stays where the program put it, without any permission, so that every access stops the thread that
makes it. Its part of the address space has the devices, or the real memory behind it, in its place. The program's own
view of the mapping (the protection it asked for) is kept here: an access it would not have been allowed still faults.
"""

import os
from abc import ABC, abstractmethod
from typing import Any

from attrs import define, evolve, field, frozen

from mmio.linux import proc_maps
from mmio.linux.io_ports import PORTS
from mmio.linux.libc import PAGE, PROT_READ, PROT_WRITE, pages
from mmio.linux.own_descriptors import kept
from mmio.linux.proc_files import open_file
from mmio.linux.seccomp import WINDOW
from mmio.live.out_of_line_slots import Slot, Slots
from mmio.program.device_views import guarded, shifted
from mmio.program.memory import DeviceMemory, NothingMapped, OwnMemory, RegularFile, TracedMemory, shared_object
from mmio.program.no_device import other_ports
from mmio.program.ports import PortRights, TracedPorts
from mmio.program.targets import REAL, FileTarget, RangeTarget, Targets, extent_of
from mmio.space.policy import Policy
from mmio.space.recorder import Recorder
from mmio.space.region import UNDER_DEVICES, DeviceLike, Region
from mmio.space.space import AddressSpace
from mmio.space.void import Beyond, Void


@frozen(eq=False)
class TargetSpan:
    """Range of a target in a trapped mapping, counted from the mapping's origin.

    Attributes:
        start, end: the bytes meant.
        zero: where the target's own offset 0 is, or would be.
        device: who answers; None for the memory that is there.
    """

    start: int
    end: int
    zero: int
    device: DeviceLike | None
    name: str
    policies: dict[str, Any]


@define(eq=False)
class Trapped:
    """A trapped mapping, or what the program has left of it.

    Attributes:
        origin: the address of the mapping's first byte when it was whole.
        start, end: the addresses it has now.
        protection: what the program may do there, as far as it knows.
        source: what is behind it, its offset 0 at the origin: a shared object, or nothing at all where only devices at
            fixed addresses are; None for the program's own memory.
        stand_in: nothing real is behind it, only devices.
        offset: where in its file the origin is; None when it is no file's.
    """

    origin: int
    start: int
    end: int
    protection: int
    source: DeviceMemory | RegularFile | NothingMapped | None
    stand_in: bool
    spans: list[TargetSpan]
    offset: int | None = None
    regions: list[Region] = field(factory=list)

    @property
    def is_own(self) -> bool:
        """Return whether it is memory of the program's own, not shared and not a device's."""
        return self.source is None and not self.stand_in


class Process(ABC):
    """A process, or more exactly the memory that its threads share.

    `memory`: reaches its ordinary memory; the kernel does when left out, and then what is trapped, too.

    Attributes:
        pid: its PID.
        targets: what is to be trapped in it.
        memory: its ordinary memory, as a bus.
        space: its memory and ports, with the devices in it.
        trapped: its trapped mappings.
        reserved: pages that have been mapped for devices where it had nothing mapped, in stretches with a start and an
            end. It may have mapped something over them since, or unmapped them.
        bits: 64 or 32, what kind of program it is.
        port_rights: the IO ports it has been granted.
        slots: where its instructions are executed out of line; None before the first.
        own_memory: a descriptor of its /proc/PID/mem, through which memory is reached that its page tables forbid.
    """

    def __init__(self, pid: int, targets: Targets, trace: Recorder | None, memory: Any = None) -> None:
        self.pid = pid
        self.targets = targets
        self.memory = TracedMemory(pid) if memory is None else memory
        self.space = AddressSpace(trace, background=self.memory)
        self.port_rights = PortRights()
        for target in targets.answered_ports:
            assert target.device is not None
            policies = targets.policies(target.policies)
            self.space.map_ports(target.port, target.count, target.device, target.name, **policies)
        if targets.answered_ports:
            self.space.ports.add(other_ports(self.port_rights, targets.no_device))
        if targets.real_ports:
            self.space.map_ports(0, PORTS, TracedPorts(targets.real_ports, self.port_rights), "ports")
        for watch in targets.watches:
            self.space.memory.watch(watch)
        self.trapped: list[Trapped] = []
        self.reserved: list[tuple[int, int]] = []
        self.slots: Slots | None = None
        self._next = WINDOW.start
        self.own_memory = -1 if memory is not None else kept(open_file(pid, "mem", os.O_RDWR))
        self.bits = 64

    def close(self) -> None:
        """Forget the process: its last thread is gone, or has executed another program. A second time does nothing."""
        if self.own_memory >= 0:
            os.close(self.own_memory)
            self.own_memory = -1

    @abstractmethod
    def watch_every_call(self) -> None:
        """See every system call from now on: a trapped mapping lies where the seccomp filter does not expect one."""

    @abstractmethod
    def trapped_changed(self) -> None:
        """Take note that `trapped` is another list."""

    def slot_at(self, ip: int) -> Slot | None:
        """Return the out-of-line slot that an address lies in."""
        return self.slots.at(ip) if self.slots is not None else None

    def traps(self, address: int) -> bool:
        """Return whether an address lies in a trapped page."""
        return self.space.memory.find(address).recorded_region is not None

    def trapped_in(self, start: int, end: int) -> list[Trapped]:
        """Return what is trapped between two addresses."""
        return [trapped for trapped in self.trapped if trapped.start < end and start < trapped.end]

    def hint(self, length: int) -> int:
        """Return where a new mapping should go, in the part of the address space that the filter watches."""
        place = self._next
        self._next = place + pages(length) + PAGE
        return place

    def trap_file(
        self,
        start: int,
        length: int,
        protection: int,
        offset: int,
        path: str,
        found: list[FileTarget],
        source: DeviceMemory | RegularFile | None,
    ) -> None:
        """Take over a mapping of a file, already inaccessible.

        Args:
            start: its address.
            length: in bytes.
            protection: what the program asked for.
            offset: where in the file it begins.
            path: of the file.
            found: the targets that mean the file.
            source: the file, when the mapping is shared.
        """
        spans = []
        for target in found:
            end = target.end if target.device is None else target.offset + extent_of(target)
            if offset < end:  # as far as the target goes, not the mapping, which may grow and show other pages
                first, name = target.offset - offset, target.name or path
                zero = -offset if target.device is None else first
                spans.append(TargetSpan(first, end - offset, zero, target.device, name, target.policies))
        stand_in = any(target.device is not None for target in found)
        if stand_in:
            self.targets.wanted(path, offset + length)
        self.put(Trapped(start, start, start + pages(length), protection, source, stand_in, spans, offset))

    def trap_range(
        self, start: int, end: int, mapping: proc_maps.Mapping, source: DeviceMemory | RegularFile | None
    ) -> None:
        """Take over pages of range targets that lie in a mapping; they are made inaccessible by the caller."""
        self.cut(start, end)  # that nothing was mapped there
        spans = self._range_spans(self.targets.ranges, start, end, mapping.path)
        self.put(Trapped(start, start, end, mapping.protection, source, False, spans))

    def trap_unmapped(self, start: int, end: int) -> None:
        """Trap pages where devices answer and nothing is mapped, unless they are."""
        if self.trapped_in(start, end):
            return
        spans = self._range_spans(self.targets.fixed_devices, start, end)
        self.put(Trapped(start, start, end, PROT_READ | PROT_WRITE, NothingMapped(start), False, spans))

    def _range_spans(self, targets: list[RangeTarget], start: int, end: int, path: str = "") -> list[TargetSpan]:
        spans = []
        for other in targets:
            first, last = max(start, other.start), min(end, other.end)
            if first < last:
                name = other.name or path or "memory"
                spans.append(
                    TargetSpan(first - start, last - start, other.start - start, other.device, name, other.policies)
                )
                self.targets.matched.add(other)
        return spans

    def reserved_in(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the pages between two addresses that are mapped for devices only, and not by the program."""
        nothing = [trapped for trapped in self.trapped_in(start, end) if isinstance(trapped.source, NothingMapped)]
        found = [
            (max(start, first, trapped.start), min(end, last, trapped.end))
            for trapped in nothing
            for first, last in self.reserved
        ]
        return [(first, last) for first, last in found if first < last]

    def pieces(self, start: int, end: int) -> list[Trapped]:
        """Return what is trapped between two addresses, and no more of it than that."""
        return [
            evolve(trapped, start=max(start, trapped.start), end=min(end, trapped.end), regions=[])
            for trapped in self.trapped_in(start, end)
        ]

    def cut(self, start: int, end: int) -> list[Trapped]:
        """Take what lies between two addresses out of what is trapped, and return it: it has been unmapped."""
        gone = self.pieces(start, end)
        for trapped in self.trapped_in(start, end):
            self._take(trapped)
            for piece_start, piece_end in ((trapped.start, start), (end, trapped.end)):
                first, last = max(piece_start, trapped.start), min(piece_end, trapped.end)
                if first < last:
                    self.put(evolve(trapped, start=first, end=last, regions=[]))
        return gone

    def cut_mapped(self, start: int, end: int) -> None:
        """Take out what has been unmapped between two addresses. Devices where nothing was mapped stay."""
        for piece in self.pieces(start, end):
            if not isinstance(piece.source, NothingMapped):
                self.cut(piece.start, piece.end)

    def move(self, old: Trapped, start: int, length: int) -> None:
        """Put at another address what `cut` or `pieces` has returned, with another length."""
        origin = start - (old.start - old.origin)
        end = start + pages(length)
        source = old.source
        if source is not None:
            source = source.resized(end - origin)
        self.put(evolve(old, origin=origin, start=start, end=end, source=source, regions=[]))

    def show(self, piece: Trapped, start: int, offset: int) -> None:
        """Put back what `cut` has returned, where an address shows a place in the file that is not the one before.

        Args:
            piece: what was taken out.
            start: the address.
            offset: the place in the file, in bytes, at or behind the mapping's first.
        """
        origin = piece.origin if piece.offset is None else start - (offset - piece.offset)
        source = None if piece.source is None else piece.source.resized(piece.end - origin)
        self.put(evolve(piece, origin=origin, source=source, regions=[]))

    def protect(self, start: int, end: int, protection: int) -> None:
        """Note what the program may do from now on between two addresses."""
        for piece in self.cut(start, end):
            self.put(evolve(piece, protection=protection))

    def release(self) -> list[Trapped]:
        """Take everything out that is trapped, and return it."""
        return self.cut(0, 1 << 64)

    def put(self, trapped: Trapped) -> None:
        """Trap a mapping: put its devices, or the memory behind it, into the address space."""
        real = self.behind(trapped, trapped.start)
        devices = trapped.stand_in and self.targets.no_device != "real"
        policy = Policy(**(self.targets.policies(trapped.spans[0].policies) if devices and trapped.spans else REAL))
        under = Region(
            trapped.start,
            trapped.end - trapped.start,
            _beyond(trapped, policy) if devices else real,
            trapped.spans[0].name if trapped.spans else "memory",
            policy,
            UNDER_DEVICES,
            recorded=trapped.stand_in,
        )
        trapped.regions = [under]
        for span in trapped.spans:
            start = max(trapped.origin + span.start, trapped.start)
            end = min(trapped.origin + span.end, trapped.end)
            if start < end:
                shift = start - trapped.origin - span.zero
                device = self.behind(trapped, start) if span.device is None else shifted(span.device, shift)
                policies = REAL | span.policies if span.device is None else self.targets.policies(span.policies)
                policy = Policy(**policies)
                name = f"{span.name}+{shift:#x}" if shift else span.name
                device = guarded(device, start, trapped.protection)
                trapped.regions.append(Region(start, end - start, device, name, policy))
        for region in trapped.regions:
            self.space.memory.add(region)
        self.trapped.append(trapped)
        self.trapped_changed()

    def behind(self, trapped: Trapped, start: int) -> Any:
        """Return the memory behind a trapped mapping, from an address on."""
        if trapped.source is None:
            return OwnMemory(self.own_memory, start)
        return shifted(trapped.source, start - trapped.origin)

    def _take(self, trapped: Trapped) -> None:
        self.trapped.remove(trapped)
        for region in trapped.regions:
            self.space.memory.remove(region)
        self.trapped_changed()


def _beyond(trapped: Trapped, policy: Policy) -> DeviceLike:
    """Return what answers in a trapped mapping where its devices do not."""
    if policy.unmapped != "error":
        return Void()
    first = trapped.offset if trapped.offset is not None else trapped.origin
    start = first + trapped.start - trapped.origin
    devices = "; ".join(f"{span.name!r} has {first + span.start:#x}..{first + span.end:#x}" for span in trapped.spans)
    place = "the file that is mapped" if trapped.offset is not None else "the program's memory"
    remedy = "make the device longer, or use unmapped='ones' (--unmapped=ones)"
    return Beyond(lambda offset: f"no device answers at {start + offset:#x} of {place} ({devices}): {remedy}")


def map_shared(pid: int, mapping: proc_maps.Mapping) -> DeviceMemory | RegularFile:
    """Return the object behind a shared mapping that a process already has.

    Raises:
        OSError: it cannot be opened: that takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN, or the file at the mapping's
            path.
    """
    writable = bool(mapping.protection & PROT_WRITE)
    try:
        descriptor = _opened(pid, mapping, os.O_RDWR)  # also where mprotect(2) makes it writable later
    except OSError:
        if writable:
            raise
        descriptor = _opened(pid, mapping, os.O_RDONLY)
    return shared_object(descriptor, mapping.offset, mapping.end - mapping.start, writable)


def _opened(pid: int, mapping: proc_maps.Mapping, how: int) -> int:
    """Open what is mapped."""
    try:
        return open_file(pid, f"map_files/{mapping.start:x}-{mapping.end:x}", how)
    except PermissionError:
        return os.open(mapping.path, how)
