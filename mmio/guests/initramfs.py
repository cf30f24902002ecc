"""The initramfs of a guest: busybox, kernel modules, and the init script."""

import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from mmio.guests.cache import cache_folder, made_once
from mmio.guests.debian import download
from mmio.guests.errors import MissingError
from mmio.guests.kernels import Kernel, Say, module_bytes

DIRECTORY: Final = 0o40755
PROGRAM: Final = 0o100755

_PT_INTERP: Final = 3
_FOLDERS: Final = ("bin", "dev", "lib", "lib/modules", "proc", "root", "sys", "tmp")

Entry = tuple[str, int, bytes]
"""A path, its mode, and what is in the file."""


def cpio(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Write an archive in the format "newc" (Documentation/driver-api/early-userspace/buffer-format.rst).

    Args:
        entries: what is in it, directories before what they hold.

    Yields:
        its parts.
    """
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        yield header + bytes(-len(header) % 4)
        yield data + bytes(-len(data) % 4)


def initramfs(kernel: Kernel, modules: Sequence[str], busybox: Path, extra: Mapping[str, bytes] | None = None) -> bytes:
    """Return the archive.

    Args:
        kernel: whose modules they are.
        modules: names, of which each has a file.
        busybox: a static one.
        extra: more files by path, which can be executed.
    """
    entries: list[Entry] = [(folder, DIRECTORY, b"") for folder in _FOLDERS]
    entries.append(("init", PROGRAM, files("mmio.guests").joinpath("init.sh").read_bytes()))
    entries.append(("bin/busybox", PROGRAM, busybox.read_bytes()))
    entries += [(f"lib/modules/{name}.ko", PROGRAM, module_bytes(kernel.files[name])) for name in modules]
    known = set(_FOLDERS)
    for path, data in (extra or {}).items():
        path = path.strip("/")
        for folder in reversed(Path(path).parents):
            if str(folder) not in {*known, "."}:
                known.add(str(folder))
                entries.append((str(folder), DIRECTORY, b""))
        entries.append((path, PROGRAM, data))
    return b"".join(cpio(entries))


def find_busybox(*, fetch: bool = False, say: Say = lambda _: None) -> Path:
    """Return a busybox that needs no libraries: the installed one, or that in the cache folder.

    Args:
        fetch: unpack one into the cache folder when there is none.
        say: told what is being fetched.

    Raises:
        MissingError: there is none; says how to get one.
    """
    installed = shutil.which("busybox")
    if installed is not None and is_static(Path(installed)):
        return Path(installed)
    folder = cache_folder() / "busybox"
    if fetch:
        made_once(folder, lambda folder: download("busybox-static", folder, say))
    for path in ("bin/busybox", "usr/bin/busybox"):
        if (folder / path).exists():
            return folder / path
    have = "there is none" if installed is None else f"{installed} needs libraries"
    raise MissingError(
        f"needs a static busybox; {have}: apt-get install busybox-static, or let `pagetrap boot --fetch` unpack it "
        f"into {cache_folder()} (1 MB; nothing is installed)"
    )


def is_static(path: Path) -> bool:
    """Return whether a program names no dynamic linker (elf(5), PT_INTERP)."""
    with path.open("rb") as file:
        head = file.read(1 << 12)
    if head[:5] != b"\x7fELF\2":
        return False
    at, (size, count) = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<HH", head, 54)
    kinds = [struct.unpack_from("<I", head, at + i * size)[0] for i in range(count) if at + i * size + 4 <= len(head)]
    return _PT_INTERP not in kinds


def readable(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file for the guest.

    Raises:
        MissingError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise MissingError(f"{path}: {error.strerror}") from None
