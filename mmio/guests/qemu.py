"""Find a QEMU on this machine that supports vfio-user devices, or download one."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from attrs import field, frozen

from mmio.guests.cache import cache_folder, made_once
from mmio.guests.debian import NewerRelease
from mmio.guests.errors import MissingError

_NAME: Final = "qemu-system-x86_64"
_PACKAGE: Final = "qemu-system-x86"
_LEAST: Final = (10, 1)
_SUITES: Final = (("trixie", "trixie-backports"), ("sid",))
"""Releases of Debian in which to look, the more settled first."""

VARIABLE: Final = "PAGETRAP_QEMU"
"""Environment variable with the path of the QEMU to use."""


@frozen
class Qemu:
    """A QEMU that can be run.

    Attributes:
        command: what its command line begins with.
        version: as it says, "11.1.3".
        environment: variables that it needs.
    """

    command: tuple[str, ...]
    version: str
    environment: dict[str, str] = field(factory=dict)

    @property
    def has_vfio_user(self) -> bool:
        """Return whether it can be a client of vfio-user."""
        return _numbers(self.version) >= _LEAST


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:2]))


def find_qemu(*, fetch: bool = False, say: Callable[[str], object] = lambda text: None) -> Qemu:
    """Return a QEMU with vfio-user: $PAGETRAP_QEMU, the one on PATH, or the one in the cache folder.

    Args:
        fetch: unpack one into the cache folder when there is none.
        say: told what is being fetched.

    Raises:
        MissingError: there is none; says how to get one.
    """
    given = os.environ.get(VARIABLE)
    if given:
        found = _asked((given,))
        if found is None or not found.has_vfio_user:
            what = "is no QEMU that runs" if found is None else f"is QEMU {found.version}"
            raise MissingError(f"{VARIABLE} is {given}, which {what}; expected {_NAME} of version 10.1 or later")
        return found
    path = shutil.which(_NAME)
    installed = None if path is None else _asked((path,))
    if installed is not None and installed.has_vfio_user:
        return installed
    unpacked = cache_folder() / "qemu"
    if not unpacked.is_dir() and fetch:
        made_once(unpacked, lambda folder: _fetch(folder, say))
    found = _unpacked(unpacked)
    if found is not None:
        return found
    have = "there is none" if installed is None else f"{path} is {installed.version}"
    raise MissingError(
        f"needs QEMU 10.1 or later, the first with vfio-user devices; {have}: install Debian's {_PACKAGE} of trixie-"
        f"backports or later, or let `pagetrap boot --fetch` unpack it into {cache_folder()} (38 MB; nothing is "
        "installed)"
    )


def _unpacked(root: Path) -> Qemu | None:
    """Return the QEMU that was unpacked into a folder, which is run by its own dynamic linker."""
    usr = root / "usr"
    libraries = usr / "lib/x86_64-linux-gnu"
    program = usr / "bin" / _NAME
    if not program.exists():
        return None
    command = [usr / "lib64/ld-linux-x86-64.so.2", "--library-path", libraries, program]
    for share in ("qemu", "seabios"):
        command += ["-L", usr / "share" / share]
    # Modules are looked for where the package would have been installed, and another QEMU's may be there.
    return _asked(tuple(map(str, command)), {"QEMU_MODULE_DIR": str(libraries / "qemu")})


def _asked(command: tuple[str, ...], environment: dict[str, str] | None = None) -> Qemu | None:
    """Return a QEMU with the version that it says, None when it does not run."""
    environment = environment or {}
    try:
        told = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, check=False, env=os.environ | environment
        )
    except OSError:
        return None
    match = re.match(r"QEMU emulator version ([\d.]+)", told.stdout)
    return None if match is None else Qemu(command, match[1], environment)


def _fetch(root: Path, say: Callable[[str], object]) -> None:
    problem = ""
    for suites in _SUITES:
        with TemporaryDirectory(prefix="pagetrap-apt-") as folder:
            try:
                release = NewerRelease(Path(folder), suites, say)
                version = release.version(_PACKAGE)
                if _numbers(version) >= _LEAST:
                    say(f"fetching QEMU {version} of Debian's {suites[-1]} (about 38 MB)")
                    release.unpack([_PACKAGE], root)
                    return
                problem = f"{suites[-1]} has {_PACKAGE} {version or 'not at all'}"
            except MissingError as error:
                problem = str(error)
    raise MissingError(f"QEMU 10.1 or later cannot be fetched: {problem}")
