"""The initramfs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.guests.errors import MissingError
from mmio.guests.initramfs import DIRECTORY, PROGRAM, cpio, find_busybox, initramfs, is_static
from mmio.guests.kernels import Kernel
from tests.needs import need


def entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Read an archive as the kernel does: each file with its mode."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name_end = at + 110 + fields[11]
        name = archive[at + 110 : name_end - 1].decode()
        start = name_end + -name_end % 4
        if name == "TRAILER!!!":
            assert start == len(archive)
            return found
        found[name] = fields[1], archive[start : start + fields[6]]
        at = start + fields[6] + -fields[6] % 4


@given(st.dictionaries(st.text("abc/._-é", min_size=1, max_size=12), st.binary(max_size=20), max_size=8))
def test_what_is_packed_is_there(files: dict[str, bytes]) -> None:
    """Every name and every byte is where the format has it."""
    archive = b"".join(cpio([(name, PROGRAM, data) for name, data in files.items()]))
    assert entries(archive) == {name: (PROGRAM, data) for name, data in files.items()}


def test_a_guest_s(tmp_path: Path) -> None:
    """It has busybox, modules, the first program, further files, and a directory before what is in it."""
    (tmp_path / "e1000.ko").write_bytes(b"module")
    (tmp_path / "busybox").write_bytes(b"busybox")
    kernel = Kernel(tmp_path / "vmlinuz", tmp_path)
    archive = entries(
        initramfs(kernel, ["e1000"], tmp_path / "busybox", {"/srv/a/b": b"own", "lib/modules/x.ko": b"x"})
    )
    assert archive["bin/busybox"] == (PROGRAM, b"busybox")
    assert archive["lib/modules/e1000.ko"] == (PROGRAM, b"module")
    assert archive["init"][1].startswith(b"#!/bin/busybox sh\n")
    assert archive["srv/a"] == (DIRECTORY, b"")
    assert archive["srv/a/b"] == (PROGRAM, b"own")
    names = list(archive)
    assert all(parent in names[: names.index(name)] for name in names if (parent := str(Path(name).parent)) != ".")


def test_static(tmp_path: Path) -> None:
    """A program that names a dynamic linker is not static, nor is what is no program."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    (tmp_path / "x.c").write_text("int main(void) { return 0; }")
    for name, flags in (("static", ["-static"]), ("dynamic", [])):
        subprocess.run(["cc", *flags, "-o", name, "x.c"], cwd=tmp_path, check=True)
    assert is_static(tmp_path / "static")
    assert not is_static(tmp_path / "dynamic")
    assert not is_static(tmp_path / "x.c")


def test_no_busybox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error says what there is, and what to install."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingError, match="needs a static busybox; there is none: apt-get install busybox-static"):
        find_busybox()
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/sh")
    with pytest.raises(MissingError, match="/bin/sh needs libraries"):
        find_busybox()
    (tmp_path / "pagetrap/busybox/bin").mkdir(parents=True)
    (tmp_path / "pagetrap/busybox/bin/busybox").touch()
    assert find_busybox() == tmp_path / "pagetrap/busybox/bin/busybox"
