"""TCG plugin that reports the guest's current instruction: built for a QEMU, and read at each access.

Its source is `plugin.c`; it is compiled where it runs, once for each version of QEMU, and kept in the cache folder.
"""

import hashlib
import os
import re
import shutil
import struct
import subprocess
from importlib.resources import as_file, files
from mmap import mmap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from decode import DecodeError, Instruction, decode
from mmio.closing import Closing
from mmio.guests.cache import cache_folder
from mmio.guests.callers import Callers
from mmio.guests.errors import MissingError
from mmio.guests.qemu import Qemu

_PAGE: Final = 4096
_NOW: Final = struct.Struct("<QI16s4xII")  # ip, length, bytes, virtual CPU, depth: `now` in plugin.c
_STACK: Final = struct.Struct("<QQ512s")  # rsp, rbp, the stack from rsp on
_RANGES: Final = _NOW.size + _STACK.size  # their count, then the first address and the one behind the last of each
_MOST_RANGES: Final = 64
_API: Final = 7  # of QEMU 11
_OTHER_API: Final = re.compile(r"API version \d+.*version (?:of )?(\d+)", re.DOTALL)
_FLAGS: Final = ("-O2", "-fPIC", "-shared", "-Wall")


def build_plugin(qemu: Qemu) -> Path:
    """Return the plugin for a QEMU; compile it if there is none yet.

    Args:
        qemu: the QEMU.

    Raises:
        MissingError: there is no C compiler, or the QEMU takes no plugin.
    """
    source = files("mmio.guests").joinpath("plugin.c")
    digest = hashlib.sha256(source.read_bytes() + qemu.version.encode()).hexdigest()[:16]
    built = cache_folder() / f"plugin-{digest}.so"
    if built.exists():
        return built
    compiler = os.environ.get("CC", "cc")
    if not shutil.which(compiler):
        raise MissingError(f"needs a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    built.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".plugin-", dir=built.parent) as folder, as_file(source) as path:
        made, api = Path(folder, "plugin.so"), _API
        for _ in range(2):
            _compile(compiler, path, made, api)
            problem = _problem(qemu, made)
            other = _OTHER_API.search(problem)
            if other is None:
                break
            api = int(other[1])
        if "API version" in problem or "not supported" in problem or "invalid option" in problem:
            raise MissingError(f"QEMU {qemu.version} takes no plugin of pagetrap's: {problem.strip()}")
        made.rename(built)
    return built


def _compile(compiler: str, source: Path, made: Path, api: int) -> None:
    command = [compiler, *_FLAGS, f"-DAPI={api}", "-o", str(made), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"{compiler} cannot compile QEMU's plugin: {done.stderr.strip()}; apt-get install libc6-dev")


def _problem(qemu: Qemu, plugin: Path) -> str:
    """Return what QEMU says of the plugin when it gets no file to write to, which it demands."""
    command = [*qemu.command, "-machine", "none", "-nographic", "-plugin", str(plugin)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | qemu.environment,
    )
    return done.stderr


class RunningInstructions(Closing):
    """The instruction that the guest executes, as the plugin notes it.

    Args:
        path: a file that the plugin and this process share.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("w+b") as file:
            file.truncate(_PAGE)
            self._now = mmap(file.fileno(), _PAGE)
        self._callers: Callers | None = None

    def argument(self, plugin: Path) -> str:
        """Return QEMU's argument -plugin.

        Args:
            plugin: the built one.
        """
        return f"{plugin},shm={self.path}"

    def watch_calls(self, callers: Callers) -> None:
        """Record accesses that the kernel makes for drivers where the drivers are.

        Args:
            callers: finds them.
        """
        self._callers = callers
        ranges = list(callers.ranges())[:_MOST_RANGES]
        flat = [address for one in ranges for address in one]
        struct.pack_into(f"<Q{len(flat)}Q", self._now, _RANGES, len(ranges), *flat)

    def current(self) -> tuple[int, int, Instruction | None]:
        """Return the virtual CPU's number, the instruction pointer and the instruction, None if it has no meaning.

        Of an access that the kernel makes for a driver, the instruction pointer is that of the driver.
        """
        ip, length, code, cpu, depth = _NOW.unpack_from(self._now)
        if not 0 < length <= len(code):
            return cpu, ip, None
        try:
            instruction = decode(code[:length], bits=64)  # which remembers
        except DecodeError:
            return cpu, ip, None
        if depth and self._callers is not None:
            sp, bp, stack = _STACK.unpack_from(self._now, _NOW.size)
            ip = self._callers.driver(ip, sp, bp, stack[:depth])
        return cpu, ip, instruction

    def close(self) -> None:
        """Unmap the file."""
        self._now.close()
