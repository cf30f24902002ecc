"""Drivers of Debian's kernel on the cards of examples/guest: 8139cp, 8139too and nvme, and what faults do to them."""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mmio
from mmio import open_trace
from mmio.guests import Guest
from mmio.records.access import Access
from mmio.records.flags import MISFIT
from tests.mmio.commands.process import pagetrap
from tests.mmio.guests.guests import MODULES, example, need_guest
from tests.native import ROOT
from tests.needs import need

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("guest"), pytest.mark.timeout(300)]

UP = "ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up"
DISK = "while [ ! -b /dev/nvme0n1 ]; do usleep 10000; done"  # its driver probes by itself


class Cards:
    """A guest with cards, and what its kernel has said."""

    def __init__(self, *cards: Any) -> None:
        need_guest()
        self.guest: Guest = mmio.guest(cards, modules=MODULES, cpus=2, seconds=240, snapshot=True)

    def says(self, what: str) -> str:
        """Wait until the kernel says something, and return the line."""
        return self.guest.run(f"while ! dmesg | grep '{what}'; do usleep 10000; done").text


@pytest.fixture(scope="module")
def good() -> Iterator[tuple[Cards, Any, Any]]:
    """A guest whose cards are as they should be: an RTL8139C+, a disk, and an older RTL8139."""
    nic, disk = example("rtl8139").Nic(), example("nvme").Disk()
    cards = Cards(nic, disk, example("rtl8139").OldNic())
    with cards.guest:
        yield cards, nic.card, disk.nvme


def test_a_disk_is_read(good: tuple[Cards, Any, Any]) -> None:
    """What the guest reads of the disk are the model's bytes."""
    cards, _, nvme = good
    done = cards.guest.run(
        f"{DISK}; head -n 2 /dev/nvme0n1; cat /sys/block/nvme0n1/size /sys/block/nvme0n1/device/model"
    )
    assert done.text.encode() == example("nvme").TEXT + b"2048\n" + b"Bytes in Python".ljust(40) + b"\n"
    assert nvme.done[-1][1] == example("nvme").READ


def test_a_disk_is_written(good: tuple[Cards, Any, Any]) -> None:
    """What the guest writes is in the model, by one page, two, and lists of many."""
    cards, _, nvme = good
    run = cards.guest.run
    for letter, size in (("a", 512), ("b", 4608), ("c", 700_000)):
        done = run(
            f"{DISK}; head -c {size} /dev/zero | tr '\\0' {letter} | dd bs={size} iflag=fullblock of=/dev/nvme0n1"
        )
        assert (done.status, run("sync").status) == (0, 0)
        assert nvme.image[:size] == letter.encode() * size
    told = run(f"echo 3 >/proc/sys/vm/drop_caches; head -c {size} /dev/nvme0n1 | md5sum").text
    assert told.split()[0] == hashlib.md5(nvme.image[:size], usedforsecurity=False).hexdigest()


def test_a_packet_is_answered(good: tuple[Cards, Any, Any]) -> None:
    """A question goes out through 8139cp's ring of descriptors, and Python's answer comes in through the other."""
    cards, card, _ = good
    done = cards.guest.run(f"{UP}; nslookup -type=a pagetrap.test 10.0.0.1")
    assert "Address: 192.0.2.1" in done.text
    assert any(b"pagetrap" in frame for frame in card.sent)


def test_each_access_has_its_driver(good: tuple[Cards, Any, Any]) -> None:
    """Each comes with the instruction that makes it, and a function of the driver: not ioread8, which 8139too calls."""
    cards, _, _ = good
    guest = cards.guest
    trace = guest.trace[:]
    assert sum(bool(access.flags & MISFIT) for access in trace) == 0
    modules: dict[str, int] = {}
    for access in trace:
        location = guest.symbols.locate(access.ip)
        assert location is not None
        modules[location.module] = modules.get(location.module, 0) + 1
        assert location.module != "8139too" or re.fullmatch(r"io(read|write)(8|16|32)", location.calls)
    assert modules.keys() == {"8139cp", "8139too", "nvme"}
    assert modules["8139too"] > 500
    names = {guest.symbols(access.ip) for access in trace if access.register == "EECR" and access.letter == "R"}
    assert any(re.fullmatch(r"read_eeprom\+0x\w+ \(8139too\) ioread8", name) for name in names)
    assert any(re.fullmatch(r"read_eeprom\+0x\w+ \(8139cp\)", name) for name in names)


@pytest.fixture(scope="module")
def faulty() -> Iterator[tuple[Cards, Any]]:
    """A guest whose cards are not: no link, a disk that never gets ready, one that loses its interrupts."""
    nvme, rtl8139 = example("nvme"), example("rtl8139")
    dead, silent, unlinked = nvme.Nvme(), nvme.Nvme(), rtl8139.Rtl8139()
    dead.starts = silent.interrupts = False
    unlinked.has_link = False
    cards = Cards(rtl8139.Nic(unlinked), nvme.Disk(dead), nvme.Disk(silent))
    with cards.guest:
        yield cards, unlinked
        silent.interrupts = True  # or the driver would wait for its timeouts at the end, too


def accesses(cards: Cards, number: int, register: str, function: str) -> list[Access]:
    """Return the accesses of a card's register in functions of a driver."""
    names, card = cards.guest.symbols, cards.guest.cards[number]
    places = {card.address(index) for index in card.bars}
    return [
        one
        for one in cards.guest.trace[:]
        if one.register == register and names(one.ip).startswith(function) and one.address - (one.offset or 0) in places
    ]


def test_a_link_that_is_never_up(faulty: tuple[Cards, Any]) -> None:
    """The driver has asked the PHY and has no carrier; when the cable is plugged in, an interrupt tells it."""
    cards, card = faulty
    assert cards.guest.run(f"{UP}; cat /sys/class/net/eth0/carrier").text == "0\n"
    asked = accesses(cards, 0, "BMSR", "mdio_read")
    assert asked
    assert not any(access.value & 4 for access in asked)
    card.set_link(True)
    assert "eth0: link up, 100Mbps" in cards.says("eth0: link up")
    assert accesses(cards, 0, "BMSR", "mdio_read")[-1].value & 4


def test_a_disk_that_never_gets_ready(faulty: tuple[Cards, Any]) -> None:
    """The driver polls CSTS for as long as CAP allows, and gives up; the trace shows it waiting."""
    cards, _ = faulty
    assert re.search("nvme nvme0: Device not ready; aborting", cards.says("Device not ready; aborting"))
    polls = accesses(cards, 1, "CSTS", "nvme_pci_reg_read32")
    assert len(polls) > 3
    assert {access.value & 1 for access in polls} == {0}


def test_a_disk_whose_interrupts_are_lost(faulty: tuple[Cards, Any]) -> None:
    """The driver's timeout finds the completion by itself, and says so."""
    cards, _ = faulty
    line = cards.says("nvme nvme1: .* timeout, completion polled")
    assert re.search(r"I/O \d+ .*QID 0 timeout, completion polled", line)
    assert accesses(cards, 2, "DOORBELL[1]", "nvme_")  # what it has taken of the completion queue


def test_the_same_model_everywhere(tmp_path: Path) -> None:
    """The watchdog is fed by a library in this process, by a program in `run`, and by the driver in a guest, alike."""
    need_guest()
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    source = ROOT / "examples/guest/feed.c"
    for arguments in (["-shared", "-fPIC", "-o", "libfeed.so"], ["-o", "feed"]):
        subprocess.run(["cc", "-O1", *arguments, source], cwd=tmp_path, check=True)
    models = example("i6300esb")
    seen = {}
    with mmio.ioremap(models.Esb(), length=0x1000) as mapping:
        ctypes.CDLL(str(tmp_path / "libfeed.so")).feed(mapping)
        seen["in this process"] = list(mapping.trace)
    place = f"{ROOT}/examples/guest/i6300esb.py:Esb@/dev/mem:0xfebff000+0x10"
    done = pagetrap(tmp_path, "run", "-q", "-o", "t.jsonl", "--device", place, "--", "./feed")
    assert (done.returncode, done.stderr) == (0, "")
    seen["in run"] = list(open_trace(tmp_path / "t.jsonl"))
    watchdog = models.Watchdog()
    with mmio.guest([watchdog], modules=MODULES, cpus=2, snapshot=True) as guest:
        begin = len(guest.trace)
        guest.run("exec 3>/dev/watchdog; echo x >&3; echo x >&3; printf V >&3")
        seen["in a guest"] = list(guest.trace[begin:])
    feeds = {
        where: [
            [(one.letter, one.width, one.register, one.value) for one in trace[at : at + 3]]
            for at, access in enumerate(trace)
            if access.value == 0x80 and len(trace) >= at + 3 and trace[at + 2].value == 0x100
        ]
        for where, trace in seen.items()
    }
    fed = [("W", 2, "RELOAD", value) for value in (0x80, 0x86, 0x100)]
    assert {where: {tuple(map(tuple, each)) for each in found} for where, found in feeds.items()} == {
        where: {tuple(fed)} for where in seen
    }
    assert watchdog.timer.pings >= 3
