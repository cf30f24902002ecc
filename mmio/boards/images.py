"""Contents of memory from files: raw bytes, Intel HEX, Motorola S-records, ELF."""

from pathlib import Path
from typing import Any, Final

from attrs import frozen

from mmio.arguments import shortened

_ELF: Final = b"\x7fELF"
_WITH_ADDRESSES: Final = (".hex", ".ihex", ".ihx", ".srec", ".s19", ".s28", ".s37", ".mot", ".elf", ".axf")
_LARGEST: Final = 256 << 20  # bytes from an address to the end of an image, unless a size is given


@frozen
class Image:
    """Bytes at addresses.

    Attributes:
        path: of the file; None where there is none.
        parts: address and bytes of each stretch, in order; the address is None where the file has none.
    """

    path: Path | None
    parts: list[tuple[int | None, bytes]]

    def at(self, start: int, size: int | None, erased: int) -> bytes:
        """Return the bytes from an address on.

        Args:
            start: the address. What has no addresses of its own begins there.
            size: how many bytes there is room for; what the file has elsewhere is left out. None: all of it, and then
                nothing may lie before.
            erased: the value of bytes between two stretches.

        Raises:
            ValueError: the file has nothing there, or too much.
        """
        end = max((start if at is None else at) + len(data) for at, data in self.parts) if self.parts else start
        places = [(start if at is None else at, data) for at, data in self.parts]
        if size is not None and any(at is not None for at, _ in self.parts):
            places = [(at, data) for at, data in places if at < start + size and start < at + len(data)]
            if not places:
                raise ValueError(f"{self.path} has nothing in {start:#x}..{start + size:#x}: {self}")
            end = min(max(at + len(data) for at, data in places), start + size)
        elif places and min(at for at, _ in places) < start:
            raise ValueError(f"{self.path} has bytes before {start:#x}: {self}; give a size to leave them out")
        elif end - start > _LARGEST:
            raise ValueError(f"{self.path} continues for {end - start:#x} bytes after {start:#x}: {self}; give a size")
        found = bytearray([erased]) * (end - start)
        for at, data in places:
            first, last = max(at, start), min(at + len(data), end)
            found[first - start : last - start] = data[first - at : last - at]
        return bytes(found)

    def __str__(self) -> str:
        shown = [f"{at:#x}..{at + len(data):#x}" for at, data in self.parts[:4] if at is not None]
        return f"it has {', '.join(shown)}{' …' * (len(self.parts) > 4)}"


def image_of(source: Any) -> Image:
    """Return contents that are given as bytes, or as the path of a file.

    Intel HEX, S-records and ELF say the addresses themselves: ELF those at which it is loaded (p_paddr), which for
    initialised data is where they stand in ROM. Of another file the bytes are taken as they are.

    Raises:
        ImportError: the file is HEX, S-records or ELF, and bincopy is missing.
        OSError: the file cannot be read.
        TypeError: it is neither bytes nor a path.
        ValueError: the file is not what its name says.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return Image(None, [(None, bytes(source))])
    if not isinstance(source, str | Path):
        raise TypeError(f"contents are bytes or the path of a file, not {shortened(source)}")
    path = Path(source)
    data = path.read_bytes()
    if not data.startswith(_ELF) and path.suffix.lower() not in _WITH_ADDRESSES:
        return Image(path, [(None, data)])
    try:
        import bincopy
    except ImportError as error:
        reason = f"reading {path.name} needs bincopy: pip install 'pagetrap[firmware]'"
        raise ImportError(reason, name=error.name) from error
    file = bincopy.BinFile()
    try:
        if data.startswith(_ELF):
            file.add_elf(data)
        else:
            file.add(data.decode("ascii"))
    except Exception as error:  # besides its own errors, those of pyelftools and of unexpected input
        raise ValueError(f"{path} is not ELF, Intel HEX or S-records: {type(error).__name__}: {error}") from error
    return Image(path, [(int(segment.address), bytes(segment.data)) for segment in file.segments])
