"""The kernel inside a bzImage."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.guests import vmlinux
from mmio.guests.vmlinux import fastest

NOTE = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", 0x1000000)
OTHER = struct.pack("<III4s", 4, 0, 6, b"Xen\0")


def elf(notes: bytes) -> bytes:
    """Return an ELF file with one segment, of notes."""
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), len(notes), 4) + notes


def bzimage(payload: bytes) -> bytes:
    """Return an image with this payload."""
    data = bytearray(5 * 512)
    data[0x1F1] = 4
    struct.pack_into("<II", data, 0x248, 32, len(payload))
    return bytes(data) + bytes(32) + payload + b"rest"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress, bz2.compress, bytes])
def test_unpacked_once(pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel's own code would unpack is unpacked here, and kept."""
    image = tmp_path / "vmlinuz"
    image.write_bytes(bzimage(pack(elf(OTHER + NOTE))))
    found = fastest(image)
    assert found.read_bytes() == elf(OTHER + NOTE)
    monkeypatch.setattr(vmlinux, "_unpacked", None)
    assert fastest(image) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bzimage(b"\x28\xb5\x2f\xfd zstd"),
        bzimage(gzip.compress(elf(OTHER))),  # no entry for QEMU
        bzimage(gzip.compress(b"no ELF")),
        bzimage(lzma.compress(elf(NOTE))[:-20]),
        bzimage(gzip.compress(elf(NOTE)[:80])),
    ],
    ids=["empty", "zstd", "no entry", "no ELF", "cut LZMA", "cut ELF"],  # bytes of gzip have the time in them
)
def test_an_image_that_is_booted_as_it_is(data: bytes, tmp_path: Path) -> None:
    """Where there is no faster way, the image itself is booted."""
    image = tmp_path / "vmlinuz"
    image.write_bytes(data)
    assert fastest(image) == image


@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    """No bytes are an error."""
    assert vmlinux._unpacked(bzimage(b"\x7fELF\2" + data)) is None or b"Xen" in data
    vmlinux._unpacked(data)
