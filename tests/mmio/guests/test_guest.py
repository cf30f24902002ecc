"""A guest: Debian's drivers, as they are, on cards in Python. One guest serves all tests of this module."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmio
from mmio.guests import Guest, GuestError
from mmio.records.flags import MISFIT
from mmio.testing import Traps
from tests.mmio.guests.guests import MODULES, example, need_guest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("guest"), pytest.mark.timeout(300)]

UP = "ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; sleep 1"
SLOT = "/sys/bus/pci/drivers/e1000"


class Booted:
    """The guest, its cards, and what its kernel has said."""

    def __init__(self) -> None:
        self.nic, self.watchdog = example("e1000").Nic(), example("i6300esb").Watchdog()
        self.said: list[str] = []
        self.traps = Traps(lambda trace: None)  # what the fixture mmio_guest is made of
        self.guest = self.traps.guest(
            [self.nic, self.watchdog],
            modules=MODULES,
            cpus=2,
            seconds=240,
            console=self.said.append,
        )
        self.at_start = len(self.guest.trace)
        (self.slot,) = self.guest.run(f"cd {SLOT}; echo 0000*").text.split()


@pytest.fixture(scope="module")
def booted() -> Iterator[Booted]:
    need_guest()
    booted = Booted()
    yield booted
    booted.traps.close()


@pytest.fixture
def guest(booted: Booted) -> Guest:
    return booted.guest


def test_drivers_have_taken_the_cards(booted: Booted) -> None:
    """Each driver has probed its card, and what it has done there was recorded."""
    assert booted.guest.unbound() == []
    names = {access.region for access in booted.guest.trace[: booted.at_start]}
    assert names == {"E1000", "IoWindow", "Esb"}
    assert "52:54:00:12:34:56" in booted.guest.run("cat /sys/class/net/eth0/address").text


def test_a_packet_is_answered(booted: Booted) -> None:
    """A question by UDP goes out through the transmit ring, and Python's answer comes in through the receive ring."""
    done = booted.guest.run(f"{UP}; nslookup -type=a pagetrap.test 10.0.0.1")
    assert done.status == 0
    assert "Address: 192.0.2.1" in done.text
    assert any(b"pagetrap" in frame for frame in booted.nic.card.sent)
    assert sum(map(int, booted.guest.run("grep eth0 /proc/interrupts").text.split()[1:3])) > 0


def test_every_access_has_its_instruction(booted: Booted) -> None:
    """Each comes with the instruction that makes it, with two CPUs too, and with the function of its driver."""
    trace = booted.guest.trace[:]
    assert len(trace) > 5000
    assert all(access.ip and access.instruction is not None for access in trace)
    assert sum(bool(access.flags & MISFIT) for access in trace) == 0
    modules = {access.region: set[str]() for access in trace}
    for access in trace:
        location = booted.guest.symbols.locate(access.ip)
        assert location is not None
        assert location.symbol
        modules[access.region].add(location.module)
    assert modules == {"E1000": {"e1000"}, "IoWindow": {"e1000"}, "Esb": {"i6300esb"}}
    reads = [access for access in trace if access.register == "MDIC" and access.letter == "R"]
    assert {booted.guest.symbols(access.ip).split("+")[0] for access in reads} == {
        "e1000_read_phy_reg_ex",
        "e1000_write_phy_reg_ex",
    }


def test_a_watchdog_is_fed(booted: Booted) -> None:
    """The other card's driver talks to its own model."""
    before = booted.watchdog.timer.pings
    assert booted.guest.run("echo V >/dev/watchdog").status == 0
    assert booted.watchdog.timer.pings > before


def test_commands(guest: Guest) -> None:
    """A command's output and exit status come back as they are."""
    done = guest.run("echo one; echo two >&2; printf three; exit 7")
    assert (done.status, done.text) == (7, "one\ntwo\nthree")
    assert guest.run("true") == type(done)("true", 0, b"")
    assert guest.run("head -c 100000 /dev/zero | tr '\\0' x").output == b"x" * 100_000
    assert guest.run("echo 'quotes \"and\" $dollars' é").text == 'quotes "and" $dollars é\n'
    assert guest.run("no-such-command").status == 127


def test_a_wrong_checksum_in_the_model(booted: Booted) -> None:
    """A fault that is planted in the model is what the driver complains of."""
    run, card = booted.guest.run, booted.nic.card
    assert run(f"echo {booted.slot} >{SLOT}/unbind").status == 0
    card.eeprom[5] ^= 1
    begin = len(booted.guest.trace)
    assert run(f"echo {booted.slot} >{SLOT}/bind").status == 0
    card.eeprom[5] ^= 1
    assert "EEPROM Checksum Is Not Valid" in run("dmesg").text
    assert any(access.register == "EECD" for access in booted.guest.trace[begin:])


def test_a_link_that_is_down_in_the_model(booted: Booted) -> None:
    """Without a link the driver has no carrier, and says so."""
    run, card = booted.guest.run, booted.nic.card
    run(f"echo {booted.slot} >{SLOT}/unbind")
    card.phy[1] &= ~0x4
    card.status.LU = 0
    run(f"echo {booted.slot} >{SLOT}/bind; {UP}")
    assert run("cat /sys/class/net/eth0/carrier").text == "0\n"
    card.phy[1] |= 0x4
    card.status.LU = 1


def test_a_command_that_takes_too_long(guest: Guest) -> None:
    """The error says which command did not end, and the guest continues afterwards."""
    with pytest.raises(GuestError, match=r"did not finish 'sleep 2' within 0\.1 s"):
        guest.run("sleep 2", seconds=0.1)
    assert guest.run("echo well").text.endswith("well\n")


def test_the_report_of_a_failure(booted: Booted) -> None:
    """A test that fails shows the last accesses to the guest's cards."""
    report = booted.traps.report()
    assert report.startswith("Nic, Watchdog: ")
    assert "(e1000)" in report or "(i6300esb)" in report


def test_what_the_kernel_says(booted: Booted) -> None:
    """The console is kept and told by the line."""
    assert any("Intel(R) PRO/1000 Network Connection" in line for line in booted.said)
    assert "e1000" in booted.guest.console.text


def test_a_model_that_raises(booted: Booted) -> None:
    """The model's exception comes out of the command that was running, and the guest is ended. It is the last test."""

    region = next(region for region in booted.guest.space.memory if region.name == "Esb")
    booted.guest.space.exchange(region, _Broken(), booted.watchdog.timer)
    with pytest.raises(ZeroDivisionError, match="planted"):
        booted.guest.run("echo x >/dev/watchdog")
    with pytest.raises(GuestError):
        booted.guest.run("true")


class _Broken:
    """A model that fails."""

    def read(self, offset: int, width: int) -> int:
        raise ZeroDivisionError("planted")

    def write(self, offset: int, width: int, value: int) -> None:
        raise ZeroDivisionError("planted")


def children() -> list[int]:
    """Return the processes that this one has started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = re.sub(r"\(.*\)", "()", path.read_text()).split()
        except OSError:
            continue
        if int(fields[3]) == os.getpid() and fields[2] != "Z":
            found.append(int(fields[0]))
    return found


def test_qemu_killed() -> None:
    """A QEMU that is killed is an error that says so; nothing is left behind."""
    need_guest()
    before = children()

    def kill(line: str) -> None:
        for pid in set(children()) - set(before):
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(GuestError, match="was killed by signal 9"):
        mmio.guest(
            [mmio.Pci(example("e1000").E1000(), 0x8086, 0x100E)], modules=MODULES, cpus=2, snapshot=True, console=kill
        )
    assert children() == before
