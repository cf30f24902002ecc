"""What a guest boots: Debian's kernel, installed or fetched as a package, and an initramfs made for it.

The initramfs holds a static program (`init.c`) and the modules that reach the host's files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from mmio.guests import kernels
from mmio.guests.errors import MissingError as Missing
from mmio.guests.initramfs import DIRECTORY, PROGRAM, cpio
from mmio.guests.kernels import Kernel, module_bytes

__all__ = ["Kernel", "Missing", "find_kernel", "make_initramfs"]

_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_SOURCE = Path(__file__).with_name("init.c")


def find_kernel() -> Kernel:
    """Return a kernel that is installed, or one in the cache folder, fetched if need be.

    Raises:
        Missing: there is none, and no way to get one.
    """
    return kernels.find_kernel(fetch=True, having=_MODULES, say=lambda text: print(text, flush=True))


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
    names = kernel.load_order(_MODULES)
    entries = [("dev", DIRECTORY, b""), ("init", PROGRAM, program.read_bytes())]
    entries += [(f"{name}.ko", PROGRAM, module_bytes(kernel.files[name])) for name in names]
    entries += [("modules", PROGRAM, "".join(f"/{name}.ko\n" for name in names).encode())]
    archive.write_bytes(b"".join(cpio(entries)))
    return archive
