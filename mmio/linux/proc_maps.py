"""Memory map and state of a process and its threads, from /proc/PID (proc(5))."""

from collections.abc import Iterator
from typing import NamedTuple

from mmio.linux.libc import PROT_EXEC, PROT_READ, PROT_WRITE
from mmio.linux.proc_files import list_names, read_text


class Mapping(NamedTuple):
    """One line of /proc/PID/maps.

    Attributes:
        start, end: the addresses.
        permissions: such as "r-xp": the last letter is "s" where the mapping is shared.
        offset: in the file.
        path: of the file, "" for none, or a name in brackets.
    """

    start: int
    end: int
    permissions: str
    offset: int
    path: str

    @property
    def shared(self) -> bool:
        """Return whether writes reach the object behind it."""
        return self.permissions[3] == "s"

    @property
    def protection(self) -> int:
        """PROT_READ, PROT_WRITE and PROT_EXEC as they are."""
        bits = zip(self.permissions, (PROT_READ, PROT_WRITE, PROT_EXEC), strict=False)
        return sum(bit for letter, bit in bits if letter != "-")


def mappings(pid: int) -> Iterator[Mapping]:
    """Iterate over what a process has mapped, in address order. Raises ProcessLookupError or FileNotFoundError."""
    return map(_mapping, _lines(pid))


def mapping_at(pid: int, address: int) -> Mapping | None:
    """Return the mapping of a process that has an address, None for none. Raises as `mappings` does."""
    for line in _lines(pid):
        start, _, rest = line.partition("-")
        if int(start, 16) <= address < int(rest.partition(" ")[0], 16):
            return _mapping(line)
    return None


def _lines(pid: int) -> list[str]:
    return read_text(pid, "maps").split("\n")[:-1]  # a path may contain other ends of lines


def _mapping(line: str) -> Mapping:
    fields = line.split(maxsplit=5)
    start, _, end = fields[0].partition("-")
    path = fields[5] if len(fields) > 5 else ""
    return Mapping(int(start, 16), int(end, 16), fields[1], int(fields[2], 16), path.removesuffix(" (deleted)"))


def threads(pid: int) -> list[int]:
    """Return the threads of a process, in order of their numbers; none when it is gone."""
    try:
        return sorted(int(name) for name in list_names(pid, "task"))
    except OSError:
        return []


def group_of(thread: int) -> int:
    """Return the process a thread belongs to. Raises FileNotFoundError when it is gone."""
    return int(_status(thread, "Tgid"))


def is_pending(thread: int, number: int) -> bool:
    """Return whether a signal is about to be delivered to a stopped thread; not to one that is gone."""
    try:
        waiting, blocked = (int(_status(thread, name), 16) for name in ("SigPnd", "SigBlk"))
    except (FileNotFoundError, ProcessLookupError):
        return False
    return bool(waiting & ~blocked & 1 << number - 1)


def runs_with_blocked(thread: int, number: int) -> bool:
    """Return whether a thread blocks a signal and does not sleep in the kernel; not for one that is gone."""
    try:
        fields = _fields(thread)  # at once: both are to be of one moment
    except (FileNotFoundError, ProcessLookupError):
        return False
    return bool(int(fields["SigBlk"], 16) & 1 << number - 1) and fields["State"][0] == "R"


def caught_signals(thread: int) -> set[int]:
    """Return the signals that the process of a thread has handlers for; none when it is gone."""
    try:
        mask = int(_status(thread, "SigCgt"), 16)
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {number for number in range(1, mask.bit_length() + 1) if mask >> number - 1 & 1}


def has_signal(thread: int) -> bool:
    """Return whether any signal that a thread does not block waits for it; not for one that is gone."""
    try:
        fields = _fields(thread)
    except (FileNotFoundError, ProcessLookupError):
        return False
    waiting, shared, blocked = (int(fields[name], 16) for name in ("SigPnd", "ShdPnd", "SigBlk"))
    return bool((waiting | shared) & ~blocked)


def sleeps(thread: int) -> tuple[str, int]:
    """Return the state of a thread, "S" when it sleeps in the kernel, and how often it has been taken off a CPU.

    "X" when it is gone.
    """
    try:
        fields = _fields(thread)
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    count = int(fields["voluntary_ctxt_switches"]) + int(fields["nonvoluntary_ctxt_switches"])
    return fields["State"][0], count


def has_ended(thread: int) -> bool:
    """Return whether a thread has ended, though its parent may not have asked how yet."""
    try:
        return _status(thread, "State") in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def parent_of(process: int) -> int:
    """Return a process's parent, 0 when it is gone."""
    return _number(process, "PPid")


def tracer_of(thread: int) -> int:
    """Return the PID of a thread's tracer, 0 for none."""
    return _number(thread, "TracerPid")


def _number(thread: int, name: str) -> int:
    try:
        return int(_status(thread, name))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _fields(thread: int) -> dict[str, str]:
    """Return all that /proc says of the state of a thread, by name."""
    lines = read_text(thread, "status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _status(thread: int, name: str) -> str:
    """Return what /proc says of a thread under a name."""
    for line in read_text(thread, "status").splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    raise FileNotFoundError(f"/proc/{thread}/status names no {name}")
