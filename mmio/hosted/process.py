"""The program's part of this process, as an address space."""

import os
from collections.abc import Sequence
from typing import Final

from attrs import evolve

from mmio.hosted import seccomp_filter
from mmio.hosted.errors import ADVICE, HostError
from mmio.hosted.raw_syscall import system_call
from mmio.linux import proc_maps
from mmio.linux.seccomp import WINDOW
from mmio.linux.syscall_table import NUMBERS
from mmio.live.own_slots import own_slots
from mmio.program import process
from mmio.program.targets import Targets
from mmio.space.initiator import Initiator
from mmio.space.recorder import Recorder

_MUNMAP: Final = NUMBERS[64]["munmap"]


class Process(process.Process):
    """As for a traced program otherwise.

    Args:
        places: where the program's code is.
    """

    def __init__(self, targets: Targets, trace: Recorder | None, places: Sequence[range]) -> None:
        super().__init__(os.getpid(), targets, trace)
        self._places = places
        self._watched: set[int] = set()
        self.slots = own_slots()

    def inherit(self, parent: "Process") -> None:
        """Take over what a child has of its parent's: mappings that are trapped, rights to ports."""
        self.port_rights.granted = parent.port_rights.granted
        self._next = parent._next
        self.reserved = parent.reserved.copy()
        self._watched = parent._watched
        for trapped in parent.trapped:
            self.put(evolve(trapped, regions=[]))

    def initiator(self, thread: int) -> Initiator:
        """Return a bus for one thread; `thread` is its number in the records."""
        return self.space.initiator(thread)

    def check_ranges(self) -> None:
        """Raise HostError if memory of pagetrap's own, and not of the program, lies where a range is to be trapped."""
        for mapping in proc_maps.mappings(self.pid) if self.targets.ranges else ():
            if any(mapping.start in place for place in (*self._places, WINDOW)) or mapping.path == "[vsyscall]":
                continue
            for target in self.targets.ranges:
                if target.start < mapping.end and mapping.start < target.end:
                    raise HostError(
                        f"{target} are not the program's alone: pagetrap has memory at {mapping.start:#x}.."
                        f"{mapping.end:#x} ({mapping.path or 'no file'}); name less, or {ADVICE}"
                    )

    def release_reserved(self) -> None:
        """Unmap what has been reserved for devices, and what the program has mapped there since: it has ended."""
        for start, end in self.reserved:
            system_call(_MUNMAP, start, end - start)
        self.reserved.clear()

    def watch_every_call(self) -> None:
        """Watch trapped mappings that are not where the filter expects them."""
        for trapped in self.trapped:
            if trapped.start not in WINDOW and trapped.start not in self._watched:
                self._watched.add(trapped.start)
                seccomp_filter.watch(range(trapped.start, trapped.end), self._places)

    def trapped_changed(self) -> None:
        """Do nothing: the program ends with this process, and needs no crash handler."""
