"""QEMU as a process: command line, start and end.

It is killed when this process dies, however that comes: the kernel sends it SIGKILL (prctl(2), PR_SET_PDEATHSIG) when
the thread that has started it ends, so that one waits for it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Final

from attrs import frozen

from mmio.closing import Closing
from mmio.guests.qemu import Qemu
from mmio.linux.prctl import PR_SET_PDEATHSIG

_PATIENCE: Final = 600_000  # ms that QEMU waits for the answer of a device: a debugger may have stopped the model
_BOUND: Final = (
    f"import ctypes,os,sys; ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG},9,0,0,0); "
    "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
)
"""Program that executes another, which ends with the process of the number given."""

# On a busy machine the emulated timer may be late when the kernel tests it: no_timer_check.
_COMMAND_LINE: Final = "console=ttyS0,115200 nokaslr printk.devkmsg=on panic=-1 reboot=t quiet no_timer_check"


LEAST_MEMORY: Final = 64
"""MiB that Debian's kernel and its initramfs need."""


@frozen(kw_only=True)
class Settings:
    """A guest's machine.

    Attributes:
        memory: MiB.
        cpus: virtual CPUs.
        kvm: use /dev/kvm, and not QEMU's own emulation.
        gdb: TCP port for a debugger on this machine; the guest waits for it. None without.
        arguments: more of QEMU's command line.
        kernel_arguments: more of the kernel's.
    """

    memory: int = 256
    cpus: int = 1
    kvm: bool = False
    gdb: int | None = None
    arguments: Sequence[str] = ()
    kernel_arguments: Sequence[str] = ()


@frozen
class Wiring:
    """Files that connect QEMU with this process.

    Attributes:
        folder: that they are in.
        cards: sockets of the devices, in the order of their slots.
        initrd: the initramfs.
        plugin: QEMU's argument -plugin, "" without one.
        waits: for a state that the monitor loads, and for cards that it plugs in.
    """

    folder: Path
    cards: Sequence[Path]
    initrd: Path
    plugin: str = ""
    waits: bool = False

    @property
    def monitor(self) -> Path:
        """The socket of the monitor."""
        return self.folder / "monitor"

    @property
    def console(self) -> Path:
        """The socket of the first serial line."""
        return self.folder / "console"

    @property
    def control(self) -> Path:
        """The socket of the second."""
        return self.folder / "control"


def command_line(qemu: Qemu, image: Path, settings: Settings, wiring: Wiring) -> list[str]:
    """Return QEMU's command line.

    Args:
        qemu: the program.
        image: what it boots: a bzImage, or a vmlinux.
        settings: of the machine.
        wiring: its connections to this process.
    """
    # The guest's memory is a file that devices can map. One CPU runs at a time, for the instruction to be known.
    command = [
        *qemu.command,
        *("-nodefaults", "-no-user-config", "-nographic", "-no-reboot"),
        *("-machine", "pc,memory-backend=ram", "-m", f"{settings.memory}M", "-smp", str(settings.cpus)),
        *("-object", f"memory-backend-memfd,id=ram,size={settings.memory}M,share=on"),
        *("-accel", "kvm" if settings.kvm else "tcg,thread=single"),
        *("-kernel", str(image), "-initrd", str(wiring.initrd)),
        *("-append", " ".join([_COMMAND_LINE, *settings.kernel_arguments])),
    ]
    if settings.kvm:
        command += ["-cpu", "host"]
    for name, path in (("console", wiring.console), ("control", wiring.control)):
        command += ["-chardev", f"socket,id={name},path={path}", "-serial", f"chardev:{name}"]
    command += ["-qmp", f"unix:{wiring.monitor}"]
    if wiring.waits:
        command += ["-incoming", "defer", "-S"]
    else:
        for path in wiring.cards:
            command += ["-device", json.dumps(card_at(path))]
    if wiring.plugin:
        command += ["-plugin", wiring.plugin]
    if settings.gdb is not None:
        command += ["-gdb", f"tcp:127.0.0.1:{settings.gdb}", "-S"]
    return [*command, *settings.arguments]


def card_at(path: Path) -> dict[str, object]:
    """Return the properties of a device that is served at a socket.

    Args:
        path: of the socket.
    """
    return {
        "driver": "vfio-user-pci",
        "socket": {"type": "unix", "path": str(path)},
        "x-no-posted-writes": True,  # the CPU waits for the answer, so it still is at the instruction
        "x-msg-timeout": _PATIENCE,
    }


class Machine(Closing):
    """A QEMU that runs.

    Args:
        command: its command line.
        environment: variables that it needs.
        ended: called in a thread of its own when it has ended, with its exit status and what it has printed.
    """

    def __init__(
        self, command: Sequence[str], environment: dict[str, str], ended: Callable[[int, str], object]
    ) -> None:
        self._command, self._environment, self._ended = command, environment, ended
        self._started = Event()
        self._error: OSError | None = None
        self._process: subprocess.Popen[str] | None = None
        self._thread = Thread(target=self._run, name="QEMU", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            raise self._error

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process is not None
        return self._process.pid

    def _run(self) -> None:
        bound = [sys.executable, "-ISc", _BOUND, str(os.getpid()), *self._command]
        try:
            self._process = subprocess.Popen(
                bound,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=os.environ | self._environment,
                start_new_session=True,  # Ctrl-C is for this process, which ends the guest in order
            )
        except OSError as error:
            self._error = error
            return
        finally:
            self._started.set()
        assert self._process.stdout is not None
        with self._process.stdout as output:
            printed = output.read()
        self._ended(self._process.wait(), printed)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it has come.

        Args:
            seconds: at most.
        """
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Kill it, if it still runs."""
        if self._process is not None:
            self._process.kill()
        self._thread.join()
