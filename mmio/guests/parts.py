"""Find or download the parts of a guest before anything is started."""

import os
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from mmio.guests.drivers import Drivers
from mmio.guests.initramfs import find_busybox, initramfs
from mmio.guests.kernels import Kernel, Say, find_kernel
from mmio.guests.qemu import Qemu, find_qemu
from mmio.guests.vmlinux import fastest


@frozen
class Parts:
    """All that is needed to boot.

    Attributes:
        qemu: the machine.
        kernel: what it boots.
        drivers: what the kernel loads.
        archive: the initramfs.
        image: the kernel, as it boots fastest.
    """

    qemu: Qemu
    kernel: Kernel
    drivers: Drivers
    archive: bytes
    image: Path


def gather(
    kernel: str | os.PathLike[str] | None = None,
    modules: Iterable[str] = (),
    *,
    fetch: bool = False,
    say: Say = lambda _: None,
) -> Parts:
    """Find the parts of a guest.

    Args:
        kernel: as for `find_kernel`.
        modules: as for `Drivers`.
        fetch: unpack what is missing into the cache folder.
        say: told what is being fetched.

    Raises:
        MissingError: something is not here; says what to install.
        TypeError, ValueError: a module's name is none.
    """
    qemu = find_qemu(fetch=fetch, say=say)
    found = find_kernel(kernel, fetch=fetch, say=say)
    drivers = Drivers(found, modules)
    busybox = find_busybox(fetch=fetch, say=say)
    archive = initramfs(found, drivers.packed, busybox, drivers.files)
    return Parts(qemu, found, drivers, archive, fastest(found.image))
