"""Kernels that a guest can boot, and their modules: installed, of a package, or downloaded into the cache folder."""

import gzip
import lzma
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from attrs import field, frozen

from mmio.guests.cache import cache_folder, made_once
from mmio.guests.debian import depends, download
from mmio.guests.errors import MissingError

PACKAGE: Final = "linux-image-amd64"

_IMAGE: Final = r"linux-image-\d\S*"
_COMPRESSED: Final = {".gz": gzip.decompress, ".xz": lzma.decompress}

Say = Callable[[str], object]


@frozen
class Kernel:
    """A kernel's image, and the directory of its modules.

    Attributes:
        image: the bzImage.
        modules: the directory, /lib/modules/RELEASE.
    """

    image: Path
    modules: Path
    _files: dict[str, Path] = field(factory=dict, init=False, repr=False, eq=False)

    @property
    def release(self) -> str:
        """Its version, as `uname -r` prints it."""
        return self.modules.name

    @property
    def files(self) -> dict[str, Path]:
        """The files of its modules by name, with _ for -."""
        if not self._files:
            for path in self.modules.rglob("*.ko*"):
                self._files[path.name.partition(".ko")[0].replace("-", "_")] = path
        return self._files

    def load_order(self, modules: Iterable[str]) -> list[str]:
        """Return modules with those they depend on, each after its own, as their sections .modinfo say.

        What is built into the kernel is left out.

        Args:
            modules: names.

        Raises:
            MissingError: there is no such module.
        """
        order: list[str] = []
        open_ones: list[str] = []  # whose dependencies are being added

        def add(name: str, of: str) -> None:
            name = name.replace("-", "_")
            if name in order:
                return
            if name in open_ones:
                raise MissingError(f"modules {' and '.join(open_ones)} depend on each other")
            if name not in self.files:
                if name in self._built_in():
                    return
                raise MissingError(_no_module(name, of, self))
            open_ones.append(name)
            depends = re.search(rb"\0depends=([^\0]*)\0", module_bytes(self.files[name]))
            for other in depends[1].decode().split(",") if depends and depends[1] else ():
                add(other, f", which {name} depends on,")
            open_ones.remove(name)
            order.append(name)

        for name in modules:
            add(name, "")
        return order

    def _built_in(self) -> set[str]:
        try:
            lines = (self.modules / "modules.builtin").read_text().splitlines()
        except OSError:
            return set()
        return {Path(line).stem.replace("-", "_") for line in lines}


def _no_module(name: str, of: str, kernel: Kernel) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, kernel.files, 1)
    hint = f"did you mean {close[0]}?" if close else "Debian's cloud kernels have few; linux-image-amd64 has all"
    return f"kernel {kernel.release} has no module {name}{of or ','} in {kernel.modules}: {hint}"


def module_bytes(path: Path) -> bytes:
    """Return a module, decompressed.

    Args:
        path: of the file: .ko, .ko.gz, .ko.xz or .ko.zst.

    Raises:
        MissingError: it is compressed with zstd, and there is no such program.
    """
    data = path.read_bytes()
    if path.suffix == ".zst":
        if not shutil.which("zstd"):
            raise MissingError(f"{path}: needs the program zstd to decompress it (apt-get install zstd)")
        return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
    decompress = _COMPRESSED.get(path.suffix)
    return data if decompress is None else decompress(data)


def find_kernel(
    given: str | os.PathLike[str] | None = None,
    *,
    fetch: bool = False,
    having: Iterable[str] = (),
    say: Say = lambda _: None,
) -> Kernel:
    """Return a kernel.

    Args:
        given: a bzImage, a Debian package with one, "host" for the one that this machine runs, or None for a Debian
            kernel that is installed or in the cache folder.
        fetch: download one into the cache folder when there is none.
        having: modules that Debian's kernel must have.
        say: told what is being fetched.

    Raises:
        MissingError: there is none; says how to get one.
    """
    if given is None:
        kernels = cache_folder() / "kernels"
        for root in (Path("/"), *sorted(kernels.glob("*"), reverse=True)):
            if found := kernel_in(root, having):
                return found
        if fetch:
            return _downloaded(kernels, say)
        raise MissingError(
            f"needs a kernel: apt-get install {PACKAGE}, or let `pagetrap boot --fetch` unpack it into "
            f"{cache_folder()} (70 MB; nothing is installed), or name one with --kernel"
        )
    if given == "host":
        release = os.uname().release
        return _of_image(Path(f"/boot/vmlinuz-{release}"))
    path = Path(given)
    if path.suffix == ".deb":
        return _of_package(path)
    return _of_image(path)


def kernel_in(root: Path, modules: Iterable[str] = ()) -> Kernel | None:
    """Return the newest Debian kernel under a root directory, None if there is none.

    Args:
        root: with boot and lib/modules.
        modules: that it must have.
    """
    for image in sorted((root / "boot").glob("vmlinuz-*-amd64"), key=_natural, reverse=True):
        kernel = Kernel(image, root / "lib/modules" / image.name.removeprefix("vmlinuz-"))
        # Debian's cloud kernels have few drivers.
        if "cloud" not in image.name and kernel.modules.is_dir() and kernel.files.keys() >= set(modules):
            return kernel
    return None


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(digits or 0), text) for digits, text in re.findall(r"(\d+)|(\D+)", path.name)]


def _downloaded(kernels: Path, say: Say) -> Kernel:
    package = depends(PACKAGE, _IMAGE)
    if package is None:
        raise MissingError(f"cannot fetch {PACKAGE}: apt knows no such package; apt-get update may help")
    folder = made_once(kernels / package, lambda folder: download(package, folder, say))
    found = kernel_in(folder)
    if found is None:
        raise MissingError(f"{package} has no kernel with modules: rm -r {folder} and try again")
    return found


def _of_package(path: Path) -> Kernel:
    def unpack(folder: Path) -> None:
        done = subprocess.run(["dpkg-deb", "--extract", path, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"{path}: {done.stderr.strip()}")

    if not path.is_file():
        raise MissingError(f"{path}: there is no such file")
    if not shutil.which("dpkg-deb"):
        raise MissingError(f"{path}: needs the program dpkg-deb to unpack it (apt-get install dpkg)")
    folder = made_once(cache_folder() / "kernels" / path.stem.replace("%3a", ":"), unpack)
    for image in sorted((folder / "boot").glob("vmlinuz-*")):
        return _of_image(image)
    raise MissingError(f"{path}: there is no kernel in it; {PACKAGE} only depends on the package that has it")


def _of_image(path: Path) -> Kernel:
    """Return the kernel of a bzImage, which says its version (Documentation/arch/x86/boot.rst)."""
    try:
        with path.open("rb") as file:
            head = file.read(0x10000)
    except OSError as error:
        raise MissingError(f"{path}: {error.strerror}; expected a kernel's image, such as /boot/vmlinuz-*") from None
    if len(head) < 0x210 or head[0x202:0x206] != b"HdrS":
        raise MissingError(f"{path}: is not a bzImage; expected a kernel's image, such as /boot/vmlinuz-*")
    at = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
    release = head[at : at + 256].partition(b" ")[0].decode(errors="replace")
    folders = [path.absolute().parent.parent / "lib/modules" / release, Path("/lib/modules") / release]
    for folder in folders:
        if folder.is_dir():
            return Kernel(path, folder)
    tried = " and ".join(map(str, dict.fromkeys(folders)))
    raise MissingError(f"{path}: there are no modules of {release}; expected them in {tried}")
