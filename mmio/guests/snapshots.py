"""Guests that have booted and loaded their drivers, kept in the cache folder; the cards are plugged in afterwards.

A vfio-user device cannot be saved: its state is a Python object. So a guest is saved while it has no cards, its drivers
loaded. It is as good as new each time: whatever a test does to the kernel is gone with its guest.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from mmio.guests.cache import cache_folder, made_once
from mmio.guests.drivers import Sections
from mmio.guests.machine import Settings
from mmio.guests.parts import Parts
from mmio.guests.vmlinux import digest

_FORMAT: Final = 1  # changes with what a guest has done before it is saved
_KEPT: Final = 8  # snapshots, of some 70 MB each


@frozen
class Snapshot:
    """A saved guest.

    Attributes:
        folder: that has it.
    """

    folder: Path

    @property
    def state(self) -> Path:
        """The file with its memory and its machine."""
        return self.folder / "state"

    @property
    def _sections(self) -> Path:
        return self.folder / "sections.json"

    @property
    def sections(self) -> Sections:
        """The addresses of its drivers' sections."""
        found: Sections = json.loads(self._sections.read_text())
        return found

    def keep(self, sections: Sections) -> None:
        """Store the addresses of the drivers' sections.

        Args:
            sections: the addresses.
        """
        self._sections.write_text(json.dumps(sections))


def snapshot_of(parts: Parts, settings: Settings, save: Callable[[Snapshot], None]) -> Snapshot:
    """Return the snapshot of a guest; make it if there is none yet.

    Args:
        parts: what the guest is made of.
        settings: of its machine.
        save: boots the guest, and saves it as the snapshot that it is given, whose folder is there.
    """
    snapshots = cache_folder() / "snapshots"
    folder = snapshots / _key(parts, settings)
    found = Snapshot(made_once(folder, lambda made: save(Snapshot(made))))
    with suppress(OSError):  # a cache that cannot be written
        os.utime(folder)
    _forget(snapshots)
    return found


def _key(parts: Parts, settings: Settings) -> str:
    """Return what tells guests apart: all that a guest is before it has cards."""
    told = [
        _FORMAT,
        parts.qemu.version,
        digest(parts.kernel.image),
        hashlib.sha256(parts.archive).hexdigest(),
        parts.drivers.commands,
        [settings.memory, settings.cpus, list(settings.arguments), list(settings.kernel_arguments)],
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _forget(snapshots: Path) -> None:
    """Remove the snapshots that were not used for longest."""
    used = []
    for folder in snapshots.glob("[!.]*"):
        with suppress(FileNotFoundError):  # another process removes it, too
            used.append((folder.stat().st_mtime_ns, folder))
    for _, folder in sorted(used, reverse=True)[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
