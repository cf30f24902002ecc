"""Snapshots in the cache folder: which one is a guest's, and which are removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve

import mmio
from mmio.guests.drivers import Drivers
from mmio.guests.kernels import Kernel
from mmio.guests.machine import Settings
from mmio.guests.parts import Parts
from mmio.guests.qemu import Qemu
from mmio.guests.snapshots import Snapshot, snapshot_of


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Parts of files that are there, and a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("vmlinuz", "e1000.ko"):
        (tmp_path / name).write_bytes(b"\0depends=\0")
    kernel = Kernel(tmp_path / "vmlinuz", tmp_path)
    return Parts(Qemu(("qemu",), "11.1"), kernel, Drivers(kernel, ["e1000"]), b"archive", kernel.image)


def save(snapshot: Snapshot) -> None:
    snapshot.state.write_bytes(b"state")
    snapshot.keep({"e1000": {".text": 0xC0000000}})


def test_a_snapshot_is_made_once(parts: Parts) -> None:
    """It has the state, and where the drivers are; it is found again."""
    made = snapshot_of(parts, Settings(), save)
    assert made.state.read_bytes() == b"state"
    assert made.sections == {"e1000": {".text": 0xC0000000}}
    assert snapshot_of(parts, Settings(), lambda snapshot: pytest.fail("it was there")) == made


def test_guests_that_differ(parts: Parts, tmp_path: Path) -> None:
    """Whatever makes another guest makes another snapshot."""
    (tmp_path / "other").write_bytes(b"another kernel")
    others = [
        (evolve(parts, archive=b"another"), Settings()),
        (evolve(parts, qemu=Qemu(("qemu",), "11.2")), Settings()),
        (evolve(parts, kernel=Kernel(tmp_path / "other", tmp_path)), Settings()),
        (evolve(parts, drivers=Drivers(parts.kernel, ["e1000 debug=16"])), Settings()),
        (parts, Settings(memory=128)),
        (parts, Settings(cpus=2)),
        (parts, Settings(arguments=["-rtc", "base=utc"])),
        (parts, Settings(kernel_arguments=["loglevel=8"])),
    ]
    folders = {snapshot_of(*one, save).folder for one in [(parts, Settings()), *others]}
    assert len(folders) == len(others) + 1


def test_a_snapshot_that_cannot_be_made(parts: Parts) -> None:
    """Nothing is left of it."""

    def fail(snapshot: Snapshot) -> None:
        save(snapshot)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        snapshot_of(parts, Settings(), fail)
    made = snapshot_of(parts, Settings(), save)
    assert list(made.folder.parent.iterdir()) == [made.folder]


def test_old_snapshots_are_removed(parts: Parts) -> None:
    """The eight that were used last stay, one that was used again among them."""
    made = []
    for number in range(9):
        made.append(snapshot_of(parts, Settings(memory=64 + number), save))
        os.utime(made[-1].folder, (number, number))
        if number == 7:
            snapshot_of(parts, Settings(memory=64), save)
    assert made[0].folder.exists()
    assert not made[1].folder.exists()
    assert all(one.folder.exists() for one in made[2:])


@pytest.mark.parametrize("more", [{"kvm": True}, {"gdb": 1234}])
def test_where_there_is_none(more: dict[str, int]) -> None:
    """A snapshot with KVM's CPU, or one that waits for a debugger, is refused before anything is looked for."""
    with pytest.raises(ValueError, match="leave out kvm and gdb"):
        mmio.guest([], snapshot=True, **more)  # type: ignore[arg-type]
