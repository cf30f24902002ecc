"""`mmio.guest`: start a guest from Python."""

import os
from collections.abc import Callable, Iterable, Sequence

from mmio.arguments import integer
from mmio.guests.booted import Guest
from mmio.guests.machine import LEAST_MEMORY, Settings
from mmio.guests.parts import Parts, gather
from mmio.guests.snapshots import Snapshot, snapshot_of
from mmio.pci.function import PciFunction
from mmio.space.policy import Unmapped
from mmio.traces.trace import Trace


def guest(
    devices: Iterable[PciFunction],
    *,
    modules: Iterable[str] = (),
    kernel: str | os.PathLike[str] | None = None,
    memory: int = 256,
    cpus: int = 1,
    kvm: bool = False,
    gdb: int | None = None,
    snapshot: bool = False,
    seconds: float = 120.0,
    fetch: bool = False,
    unmapped: Unmapped = "ones",
    config: bool = False,
    trace: Trace | None = None,
    console: Callable[[str], object] | None = None,
    say: Callable[[str], object] | None = None,
    arguments: Sequence[str] = (),
    kernel_arguments: Sequence[str] = (),
) -> Guest:
    """Boot a kernel in QEMU with device models as its PCI cards, and load drivers.

        with mmio.guest([mmio.Pci(card, 0x8086, 0x100E)], modules=["e1000"]) as guest:
            guest.run("ip link set eth0 up")
        print(guest.trace)

    It takes QEMU 10.1 or later, a kernel, busybox, and a C compiler for the instruction of each access.

    Args:
        devices: the cards: `mmio.Pci` of a model, or any `mmio.pci.PciFunction`.
        modules: to load, with those they depend on: names, with parameters as in "e1000 debug=16", or paths of files.
        kernel: a bzImage, a Debian package with one, "host" for this machine's, or None for Debian's.
        memory: of the guest, in MiB.
        cpus: virtual CPUs; one at a time runs.
        kvm: use /dev/kvm. Then the instruction of an access is not known.
        gdb: TCP port of this machine for a debugger, which the guest waits for.
        snapshot: begin with a guest that has booted and loaded its modules, kept in the cache folder; it is booted if
            there is none yet. The cards are plugged into it.
        seconds: that the start, and each command, may take.
        fetch: unpack what is missing into the cache folder, from Debian's packages.
        unmapped: what an access meets where a model has no register: "ones", "zeros" or "error".
        config: record accesses to configuration space, too.
        trace: records the accesses; a new one when left out.
        console: called with each line that the kernel says, in a thread of its own.
        say: called with what is being fetched, and with what is missing and not needed.
        arguments: more of QEMU's command line.
        kernel_arguments: more of the kernel's.

    Raises:
        MissingError: something that is needed is not here, KVM if it is to be used; says what to do.
        GuestError: the guest does not start in time, or a module cannot be loaded.
        TypeError: an argument is of a wrong kind.
        ValueError: a number is too small, a module's name is none, or a snapshot is wanted with `kvm` or `gdb`.
    """
    cards = tuple(devices)
    settings = Settings(
        memory=integer("memory", memory, LEAST_MEMORY),
        cpus=integer("cpus", cpus, 1),
        kvm=kvm,
        gdb=None if gdb is None else integer("gdb", gdb, 1, 0xFFFF),
        arguments=arguments,
        kernel_arguments=kernel_arguments,
    )
    if snapshot and (kvm or gdb is not None):
        raise ValueError("a snapshot works on QEMU's emulated CPU and without a debugger: leave out kvm and gdb")
    parts = gather(kernel, modules, fetch=fetch, say=say or _ignore)
    return Guest(
        cards,
        parts,
        settings,
        snapshot=saved(parts, settings, seconds, say) if snapshot else None,
        seconds=seconds,
        unmapped=unmapped,
        config=config,
        trace=trace,
        say=say,
        console=console,
    )


def saved(
    parts: Parts, settings: Settings, seconds: float = 120.0, say: Callable[[str], object] | None = None
) -> Snapshot:
    """Return the snapshot of a guest without cards; boot and save it if there is none yet.

    Args:
        parts: what it is made of.
        settings: of its machine.
        seconds: that the start may take.
        say: told that it is booted.

    Raises:
        GuestError: it does not start in time, or cannot be saved.
    """

    def save(snapshot: Snapshot) -> None:
        (say or _ignore)("booting once, for the snapshot")
        with Guest((), parts, settings, seconds=seconds) as guest:
            guest.save(snapshot)

    return snapshot_of(parts, settings, save)


def _ignore(text: str) -> None:
    """Do nothing."""
