"""One guest: QEMU's emulation of a CPU model, running a script on this machine's files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import attrs

from tests.cpus.kernel import Kernel, Missing

QEMU = "qemu-system-x86_64"
_COMMAND_LINE = "console=ttyS0 quiet panic=-1 mitigations=off"
_SHOWN_EVERY = 5.0  # seconds


class GuestFailed(Exception):
    """Tell that a guest did not come to the end of its script, with the last it wrote."""


@attrs.frozen
class Machine:
    """What all guests have in common: kernel, initramfs, memory in MiB, CPUs, and the seconds a guest may take."""

    kernel: Kernel
    initramfs: Path
    memory: int = 4096
    cpus: int = 2
    seconds: float = 7200

    def run(self, model: str, script: str, results: Path) -> None:
        """Run a shell script in a guest with a CPU model; what it writes to /mnt is in `results`.

        The script's last line must be reached: it makes the file /mnt/done.

        Raises:
            GuestFailed: QEMU does not know the model, the guest crashed, or time was over.
        """
        results.mkdir(parents=True, exist_ok=True)
        (results / "done").unlink(missing_ok=True)
        (results / "script").write_text(f"exec </dev/null >/mnt/output 2>&1\n{script}\ntouch /mnt/done\n")
        console = results / "console"
        with console.open("wb") as log:
            process = subprocess.Popen(
                self._command(model, results), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                self._wait(process, model, results)
            finally:
                process.kill()
                process.wait()
        if not (results / "done").exists():
            said = "\n    ".join(_last_lines(console) + _last_lines(results / "output"))
            raise GuestFailed(f"-cpu {model}: the guest did not finish ({results}). It said last:\n    {said}")

    def _command(self, model: str, results: Path) -> list[str]:
        command = [QEMU, "-accel", "tcg,thread=multi", "-cpu", model, "-smp", str(self.cpus), "-m", str(self.memory)]
        command += ["-kernel", str(self.kernel.image), "-initrd", str(self.initramfs), "-append", _COMMAND_LINE]
        command += ["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]
        shares = {"root": "path=/,readonly=on,multidevs=remap", "results": f"path={results.resolve()}"}
        for name, options in shares.items():
            command += ["-fsdev", f"local,id={name},security_model=none,{options}"]
            command += ["-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]
        return command

    def _wait(self, process: subprocess.Popen[bytes], model: str, results: Path) -> None:
        began = time.monotonic()
        while process.poll() is None:
            passed = time.monotonic() - began
            if passed > self.seconds:
                raise GuestFailed(f"-cpu {model}: not finished after {self.seconds:.0f} seconds ({results})")
            said = "".join(_last_lines(results / "output", 1))
            print(f"\r{f'{model}, {passed:.0f} s: {said}':<100.100}", end="", file=sys.stderr, flush=True)
            try:
                process.wait(_SHOWN_EVERY)
            except subprocess.TimeoutExpired:
                continue
        print(file=sys.stderr)


def qemu_version() -> str:
    """Return the version of QEMU.

    Raises:
        Missing: it is not installed.
    """
    if not shutil.which(QEMU):
        raise Missing(f"needs {QEMU} (apt-get install qemu-system-x86)")
    told = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\d+\.\d+(\.\d+)?)", told)
    return found[1] if found else told.splitlines()[0]


def known_models() -> set[str]:
    """Return the CPU models that QEMU has, by the names `-cpu` takes."""
    told = subprocess.run([QEMU, "-cpu", "help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^x86 (\S+)", told, re.MULTILINE))


def _last_lines(path: Path, count: int = 12) -> list[str]:
    if not path.exists():
        return []
    text = path.read_bytes()[-4000:].decode(errors="replace").replace("\r", "\n")
    return [line for line in text.splitlines() if line.strip()][-count:]
