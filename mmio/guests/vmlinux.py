"""Uncompress the kernel inside a bzImage: an emulated CPU takes longer to do so than to boot it.

QEMU starts an ELF file at the entry of its PVH note (Documentation/arch/x86/boot.rst; Xen's public/elfnote.h).
"""

import bz2
import hashlib
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mmio.guests.cache import cache_folder, made_once

_FORMATS: Final[dict[bytes, Callable[[], Any]]] = {
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
    b"\x1f\x8b\x08": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
}
_NOTE: Final = 4  # PT_NOTE
_PHYS32_ENTRY: Final = 18
_ERRORS: Final = (OSError, EOFError, ValueError, struct.error, lzma.LZMAError, zlib.error, IndexError)


def digest(image: Path) -> str:
    """Return what tells kernels apart.

    Args:
        image: the bzImage.
    """
    return hashlib.sha256(image.read_bytes()).hexdigest()[:16]


def fastest(image: Path) -> Path:
    """Return what boots a kernel fastest: its ELF file in the cache folder, or the image where there is no such way.

    Args:
        image: the bzImage.
    """
    folder = cache_folder() / "vmlinux" / digest(image)
    if not folder.is_dir():
        elf = _unpacked(image.read_bytes())
        if elf is None:
            return image

        def write(made: Path) -> None:
            (made / "vmlinux").write_bytes(elf)

        try:
            made_once(folder, write)
        except OSError:  # a full disk costs some seconds at each boot
            return image
    return folder / "vmlinux"


def _unpacked(data: bytes) -> bytes | None:
    """Return the ELF file in a bzImage that QEMU can start, None if there is none."""
    try:
        start = ((data[0x1F1] or 4) + 1) * 512 + struct.unpack_from("<I", data, 0x248)[0]
        payload = data[start : start + struct.unpack_from("<I", data, 0x24C)[0]]
        elf = payload
        for magic, decompressor in _FORMATS.items():
            if payload.startswith(magic):
                unpacking = decompressor()
                elf = unpacking.decompress(payload)
                if not unpacking.eof:
                    return None
        return elf if _has_entry(elf) else None
    except _ERRORS:
        return None


def _has_entry(elf: bytes) -> bool:
    """Return whether an ELF file has the note that says where to start it (elf(5), "Notes")."""
    if elf[:5] != b"\x7fELF\2":
        return False
    at = struct.unpack_from("<Q", elf, 32)[0]
    size, count = struct.unpack_from("<HH", elf, 54)
    for number in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", elf, at + number * size)
        end = offset + length
        while kind == _NOTE and offset + 12 <= end:
            name, data, note = struct.unpack_from("<III", elf, offset)
            if note == _PHYS32_ENTRY and elf[offset + 12 : offset + 16] == b"Xen\0":
                return True
            offset += 12 + (name + 3 & ~3) + (data + 3 & ~3)
    return False
