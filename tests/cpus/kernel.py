"""What a guest boots: Debian's kernel, installed or downloaded as a package, and an initramfs made for it.

The initramfs holds a static program (`init.c`) and the modules that reach the host's files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs

PACKAGE = "linux-image-amd64"
_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_SOURCE = Path(__file__).with_name("init.c")
_DIRECTORY, _FILE = 0o40755, 0o100755


class Missing(Exception):
    """Tell what is not installed, and how to install it."""


@attrs.frozen
class Kernel:
    """A kernel's image, and the directory of its modules."""

    image: Path
    modules: Path


def find_kernel(build: Path) -> Kernel:
    """Return a kernel that is installed, or the one in `build`, downloaded and unpacked there if need be.

    Raises:
        Missing: there is none, and no way to get one.
    """
    for root in (Path("/"), build / "kernel"):
        if found := kernel_in(root):
            return found
    print(f"downloading {PACKAGE}", flush=True)
    _download(build / "kernel")
    if found := kernel_in(build / "kernel"):
        return found
    raise Missing(f"needs a kernel that has 9p and overlay as modules, and the one that {PACKAGE} depends on has not")


def kernel_in(root: Path) -> Kernel | None:
    """Return the newest kernel under a root directory that a guest can boot."""
    for image in sorted((root / "boot").glob("vmlinuz-*-amd64"), reverse=True):
        modules = root / "lib/modules" / image.name.removeprefix("vmlinuz-")
        # Debian's cloud kernels have neither 9p nor 16-bit segments.
        if "cloud" not in image.name and _module_files(modules).keys() >= set(_MODULES):
            return Kernel(image, modules)
    return None


def _download(directory: Path) -> None:
    if not all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg-deb")):
        raise Missing(f"needs a Debian kernel in /boot with its modules (apt-get install {PACKAGE})")
    told = subprocess.run(["apt-cache", "depends", PACKAGE], capture_output=True, text=True, check=False).stdout
    names = re.findall(r"Depends: (linux-image-\S+)", told)
    directory.mkdir(parents=True, exist_ok=True)
    if not names or subprocess.run(["apt-get", "download", "--quiet", names[0]], cwd=directory, check=False).returncode:
        raise Missing(f"could not download {PACKAGE}: apt-get update, or apt-get install {PACKAGE}")
    for package in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, directory], check=True)
        package.unlink()


def _module_files(directory: Path) -> dict[str, Path]:
    """Return the modules in a directory by name; Debian 12 does not compress them."""
    return {path.stem.replace("-", "_"): path for path in directory.rglob("*.ko")}


def load_order(kernel: Kernel) -> list[str]:
    """Return the modules a guest loads, each after those it depends on, as its section .modinfo says."""
    files = _module_files(kernel.modules)
    order: list[str] = []

    def add(name: str) -> None:
        if name in order or name not in files:  # what is no file is built in
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", files[name].read_bytes())
        for other in depends[1].decode().split(",") if depends else ():
            add(other.replace("-", "_"))
        order.append(name)

    for name in _MODULES:
        add(name)
    return order


def make_initramfs(kernel: Kernel, build: Path) -> Path:
    """Write the initramfs for a kernel into `build`; return its path.

    Raises:
        Missing: there is no C compiler, or no static C library.
    """
    build.mkdir(parents=True, exist_ok=True)
    program, archive = build / "init", build / "initramfs"
    compiler = os.environ.get("CC", "cc")
    if not shutil.which(compiler):
        raise Missing(f"needs a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    command = [compiler, "-O1", "-Wall", "-static", "-o", str(program), str(_SOURCE)]
    if subprocess.run(command, check=False).returncode:
        raise Missing("needs a C compiler that links statically (apt-get install gcc libc6-dev)")
    files = _module_files(kernel.modules)
    names = load_order(kernel)
    entries = [("dev", _DIRECTORY, b""), ("init", _FILE, program.read_bytes())]
    entries += [(f"{name}.ko", _FILE, files[name].read_bytes()) for name in names]
    entries += [("modules", _FILE, "".join(f"/{name}.ko\n" for name in names).encode())]
    archive.write_bytes(b"".join(_cpio(entries)))
    return archive


def _cpio(entries: list[tuple[str, int, bytes]]) -> Iterator[bytes]:
    """Write an archive in the format "newc" (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        yield header + bytes(-len(header) % 4)
        yield data + bytes(-len(data) % 4)
