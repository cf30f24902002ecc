"""`pagetrap boot` and `serve`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from mmio import open_trace
from mmio.guests import messages as m
from tests.mmio.commands.process import COMMAND, ENVIRONMENT, pagetrap
from tests.mmio.guests.client import Client, Refusal
from tests.mmio.guests.guests import need_guest
from tests.mmio.guests.kills import descendants, wait_for_end
from tests.native import ROOT

MODELS = """
from mmio import Device, register
from mmio.pci import Bar, PciFunction


class Timer(Device):
    ctrl = register(0x00)
    count = register(0x04)

    @count.reads
    def _count(self):
        if self.ctrl.value == 0xBAD:
            raise ZeroDivisionError("in the model")
        return 7


class Card(PciFunction):
    def __init__(self):
        super().__init__(0x1234, 0x1111, 0xFF0000, bars=[Bar(0, Timer(), size=0x1000)])


class Neither:
    pass


class Broken(PciFunction):
    def __init__(self):
        raise RuntimeError("no card today")
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path


class Running:
    """A `pagetrap serve` that waits for its client."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [*COMMAND, "serve", "--vfio-user", "card.sock", *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.path = folder / "card.sock"
        assert self.process.stderr is not None
        self.first = self.process.stderr.readline()

    def client(self) -> Client:
        client = Client(os.path.relpath(self.path))
        client.write(m.CONFIG_REGION, 0x10, (0xFEB80000).to_bytes(4, "little"))
        client.write(m.CONFIG_REGION, 4, b"\2\0")
        return client

    def end(self) -> tuple[int, str]:
        """Return the exit status, and what was said after the first line."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextmanager
def serve(folder: Path, *arguments: str) -> Iterator[Running]:
    """Serve a model."""
    running = Running(folder, *arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def use(client: Client) -> None:
    client.write(0, 0, (0x12).to_bytes(4, "little"))
    assert client.read(0, 4, 4) == (7).to_bytes(4, "little")
    client.close()


def test_serve(here: Path) -> None:
    """A card is served to its client; each access is a live line, in the file and in the summary."""
    with serve(here, "--live", "-o", "t.jsonl", "models.py:Card") as running:
        assert running.first == "pagetrap: <Card 1234:1111, 1 regions> is at card.sock\n"
        use(running.client())
        status, said = running.end()
    assert status == 0
    assert re.search(r"W +4 +0xfeb80000 +Timer.CTRL +0x00000012", said)
    assert re.search(r"Timer.COUNT +1 +0 +4", said)
    assert [access.place for access in open_trace(here / "t.jsonl")] == ["Timer.CTRL", "Timer.COUNT"]
    assert not running.path.exists()


@pytest.mark.parametrize("arguments", [["--pci", "1234:5678", "models.py:Timer"], ["models.py:Timer@1234:5678"]])
def test_serve_a_device(here: Path, arguments: list[str]) -> None:
    """A device becomes a card with the numbers that are given."""
    with serve(here, "-q", *arguments) as running:
        client = running.client()
        assert client.read(m.CONFIG_REGION, 0, 4) == bytes.fromhex("34127856")
        use(client)
        assert running.end() == (0, "")


def test_serve_again(here: Path) -> None:
    """With --keep the next client is served, after one that broke the protocol too, until Ctrl-C; the trace has all."""
    with serve(here, "--keep", "-q", "-o", "t.jsonl", "models.py:Card") as running:
        use(running.client())
        bad = Client(os.path.relpath(running.path))
        bad.send_raw(bytes(64))
        assert bad.receive() is None
        use(running.client())
        running.process.send_signal(signal.SIGINT)
        status, said = running.end()
    assert status == -signal.SIGINT
    assert "expected a message of 16 to" in said
    assert len(list(open_trace(here / "t.jsonl"))) == 4


def test_serve_a_model_that_raises(here: Path) -> None:
    """The model's traceback is shown, and the exit status is pagetrap's own."""
    with serve(here, "-q", "models.py:Card") as running:
        client = running.client()
        client.write(0, 0, (0xBAD).to_bytes(4, "little"))
        with pytest.raises(Refusal):
            client.read(0, 4, 4)
        status, said = running.end()
        client.close()
    assert status == 125
    assert "ZeroDivisionError: in the model" in said
    assert 'models.py", line ' in said
    assert "mmio/" not in said


def test_serve_killed(here: Path) -> None:
    """After SIGKILL the trace has every access that was answered."""
    with serve(here, "-q", "-o", "t.jsonl", "models.py:Card") as running:
        client = running.client()
        client.write(0, 0, (0x12).to_bytes(4, "little"))
        running.process.kill()
        running.end()
        assert client.receive() is None
        client.close()
    assert [access.place for access in open_trace(here / "t.jsonl")] == ["Timer.CTRL"]


MISTAKES: list[tuple[list[str], int, str]] = [
    (["serve", "models.py:Card"], 2, "the following arguments are required: --vfio-user"),
    (["serve", "--vfio-user", "s", "models.py:Timer"], 2, "its numbers are needed: models.py:Timer@8086:100e"),
    (["serve", "--vfio-user", "s", "--pci", "8086", "models.py:Timer"], 2, "expected VENDOR:DEVICE, there is no colon"),
    (
        ["serve", "--vfio-user", "s", "models.py:Timer@80861:1"],
        2,
        "expected up to four hexadecimal digits, got '80861'",
    ),
    (["serve", "--vfio-user", "s", "models.py"], 2, "there is no colon"),
    (["serve", "--vfio-user", "s", "models.py:Neither"], 125, "is neither a mmio.pci.PciFunction nor a device"),
    (["serve", "--vfio-user", "s", "models.py:Cart"], 125, "has no class 'Cart'; did you mean Card?"),
    (["serve", "--vfio-user", "s", "models.py:Broken"], 125, "RuntimeError: no card today"),
    (["serve", "--vfio-user", "no/s", "models.py:Card"], 125, "no/s: No such file or directory"),
    (["serve", "--vfio-user", "x" * 200, "models.py:Card"], 125, "expected a path of a socket of at most 107 bytes"),
    (["serve", "--vfio-user", "s", "--format", "jsonlines", "models.py:Card"], 2, "--format is the format of -o FILE"),
    (["boot"], 2, "there is no card: name a model with --device FILE.py:CLASS"),
    (["boot", "--fold", "--device", "models.py:Card"], 2, "--fold is about the lines of --live"),
    (["boot", "--memory", "8", "--device", "models.py:Card"], 2, "expected --memory from 64"),
    (["boot", "--timeout", "0", "--device", "models.py:Card"], 2, "--timeout above 0"),
    (
        ["boot", "--snapshot", "--kvm", "--device", "models.py:Card"],
        2,
        "--snapshot works on QEMU's emulated CPU and without a debugger: leave out --kvm and --gdb",
    ),
    (["boot", "--smp", "0", "--device", "models.py:Card"], 2, "--smp from 1"),
]


@pytest.mark.parametrize(("arguments", "status", "problem"), MISTAKES)
def test_mistakes(here: Path, arguments: list[str], status: int, problem: str) -> None:
    """What is wrong is said in a line or two, and the exit status tells whose mistake it is."""
    done = pagetrap(here, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert problem in done.stderr
    assert "Traceback" not in done.stderr or "Broken" in arguments[-1]


@pytest.mark.parametrize(
    ("path", "arguments", "problem"),
    [
        ("", [], "needs QEMU 10.1 or later, the first with vfio-user devices"),
        ("qemu", ["--kernel", "absent"], "absent: No such file or directory; expected a kernel's image"),
    ],
)
def test_what_is_missing(here: Path, path: str, arguments: list[str], problem: str) -> None:
    """Each thing that is missing is one line that says how to get it."""
    (here / "bin").mkdir()
    qemu = here / "bin/qemu-system-x86_64"
    qemu.write_text(f"#!/bin/sh\necho QEMU emulator version {'11.1.0' if path else '7.2.0'}\n")
    qemu.chmod(0o755)
    environment = ENVIRONMENT | {"PATH": f"{here}/bin:/usr/bin:/bin", "XDG_CACHE_HOME": str(here / "cache")}
    environment.pop("PAGETRAP_QEMU", None)
    done = pagetrap(here, "boot", *arguments, "--device", "models.py:Card", env=environment)
    assert (done.returncode, done.stdout) == (125, "")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


ESB = f"{ROOT}/examples/guest/i6300esb.py:Watchdog"


@pytest.mark.slow
@pytest.mark.xdist_group("guest")
@pytest.mark.timeout(300)
def test_boot(here: Path) -> None:
    """The command's output and status are the guest's; accesses are shown with function and instruction."""
    need_guest()
    arguments = [
        "--timeout",
        "240",
        "--live",
        "--only",
        "RELOAD",
        "-o",
        "t.jsonl",
        "--module",
        "i6300esb",
        "--device",
        ESB,
    ]
    done = pagetrap(here, "boot", *arguments, "--", "echo V >/dev/watchdog; echo done; exit 5", timeout=280)
    assert (done.returncode, done.stdout) == (5, "done\n")
    assert re.search(r"W +2 +0x\w+ +Esb.RELOAD +0x0080 .* esb_timer_keepalive\+0x11 \(i6300esb\) +mov", done.stderr)
    assert re.search(r"i6300ESB timer .*initialized", done.stderr)
    counted = re.search(
        r"pagetrap: (\d+) accesses, (\d+) with their instruction, of which 0 do not fit it", done.stderr
    )
    assert counted is not None
    assert counted[1] == counted[2]
    kept = list(open_trace(here / "t.jsonl"))
    assert {access.register for access in kept} == {"RELOAD"}


@pytest.mark.slow
@pytest.mark.xdist_group("guest")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_pagetrap_ended(here: Path, signal_: signal.Signals) -> None:
    """A signal in the middle of the kernel's start ends the guest, and nothing is left of it."""
    need_guest()
    console = here / "console"
    os.mkfifo(console)
    (here / "temporary").mkdir()
    environment = ENVIRONMENT | {"TMPDIR": str(here / "temporary")}
    command = [*COMMAND, "boot", "-q", "--console", str(console), "-o", "t.jsonl", "--module", "i6300esb"]
    process = subprocess.Popen(
        [*command, "--device", ESB, "--", "sleep 1000"], cwd=here, env=environment, stderr=subprocess.PIPE, text=True
    )
    with console.open() as lines:
        lines.readline()  # in the middle of the kernel's start
        while not (started := descendants(process.pid)):
            assert process.poll() is None, process.communicate()[1]
        process.send_signal(signal_)
        rest = Thread(target=lines.read)
        rest.start()
        process.communicate(timeout=60)
        rest.join()
    assert process.returncode == -signal_
    wait_for_end(started)
    assert list(open_trace(here / "t.jsonl")) == []
    assert list((here / "temporary").iterdir()) == []
