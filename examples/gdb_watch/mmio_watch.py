"""Watchpoints for gdb: any number, any size, any condition, where the CPU has four of eight bytes.

    (gdb) source examples/gdb_watch/mmio_watch.py
    (gdb) break main
    (gdb) run
    (gdb) mmio-watch &queue sizeof(queue)
    (gdb) mmio-watch &packet->length 2 if $_new > 1500
    (gdb) continue

The pages are made inaccessible by calling mprotect in the program. An access stops it with SIGSEGV, and the condition
of a catchpoint, which gdb asks before it reports the stop, does the instruction by `Emulator.step`: on gdb's
registers, with gdb's memory as the bus. So an access that is not watched continues unseen, and `next` or `finish` work
as usual. It needs only `decode` and `emulate` of pagetrap. If gdb's Python does not find attrs and iced-x86, name
their directories, separated by colons, in the environment variable PAGETRAP_PATH.

Limits: 64-bit programs; on a CPU with AMX gdb 14 or later (older ones cannot write vector registers there, nor call
functions of the program, and mmio-watch refuses them); private memory (variables, heap), not the stack of a running
function; the kernel does not see such pages (EFAULT in system calls); an instruction the emulator does not do stops the
program, with the reason.
"""

import os
import sys
from collections.abc import MutableSequence, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import gdb

sys.path += [str(Path(__file__).resolve().parents[2]), *filter(None, os.environ.get("PAGETRAP_PATH", "").split(":"))]

from decode import DecodeError, Instruction
from emulate import Emulator, Fault, RegisterFile, UnsupportedInstruction

GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{i}" for i in range(8, 16)), "rip", "eflags")
SELECTORS = [["$es"], ["$cs"], ["$ss"], ["$ds"], ["$fs"], ["$gs"]]
BASES = [["0"]] * 4 + [["$fs_base"], ["$gs_base"]]
MASKS = [[f"$k{i}"] for i in range(8)]
VECTORS = (("zmm", 8), ("ymm", 4), ("xmm", 2))  # and their 64-bit words, widest first
PAGE = 4096
MASK = (1 << 64) - 1


class Registers(MutableSequence[int]):
    """A row of gdb's registers of the selected thread, each read and written as 64-bit words."""

    def __init__(self, parts: Sequence[Sequence[str]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: Any) -> Any:
        return sum((int(gdb.parse_and_eval(part)) & MASK) << 64 * i for i, part in enumerate(self._parts[index]))

    def __setitem__(self, index: Any, value: Any) -> None:
        for i, part in enumerate(self._parts[index]):
            gdb.parse_and_eval(f"{part} = {value >> 64 * i & MASK:#x}")

    def __delitem__(self, index: Any) -> None:
        raise TypeError("registers cannot be deleted")

    def insert(self, index: int, value: int) -> None:
        """Raise TypeError: the CPU has the registers it has."""
        raise TypeError("registers cannot be inserted")


class Cpu(RegisterFile):
    """The selected thread's registers. General ones are kept until `store`; others go to gdb at once."""

    bits = 64
    protected = True
    slots = tuple(range(18))

    def __init__(self) -> None:
        frame = gdb.newest_frame()
        self._before = [int(frame.read_register(name)) & MASK for name in GENERAL]
        self.regs = self._before.copy()
        self.selectors, self.bases, self.k = Registers(SELECTORS), Registers(BASES), Registers(MASKS)
        self.vector = Registers(_vector_parts())

    def store(self) -> None:
        """Give the thread what has changed."""
        for name, old, new in zip(GENERAL, self._before, self.regs, strict=True):
            if new != old:
                gdb.parse_and_eval(f"${name} = {new:#x}")


class Watch(NamedTuple):
    """A watched range and the condition to stop, in gdb's language."""

    number: int
    start: int
    length: int
    condition: str


class Seen(NamedTuple):
    """What an instruction did at one place."""

    direction: str
    address: int
    width: int
    old: int
    new: int


class Memory:
    """The program's memory, through gdb, as a bus that remembers what was done on it."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def read(self, address: int, width: int) -> int:
        value = int.from_bytes(gdb.selected_inferior().read_memory(address, width), "little")
        self.seen.append(Seen("read", address, width, value, value))
        return value

    def write(self, address: int, width: int, value: int) -> None:
        inferior = gdb.selected_inferior()
        old = int.from_bytes(inferior.read_memory(address, width), "little")
        inferior.write_memory(address, value.to_bytes(width, "little"))
        self.seen.append(Seen("write", address, width, old, value))

    def port_read(self, port: int, width: int) -> int:
        raise NotImplementedError("no ports here")

    def port_write(self, port: int, width: int, value: int) -> None:
        raise NotImplementedError("no ports here")


class Watches:
    """All watched ranges, and the pages that are inaccessible for them."""

    def __init__(self) -> None:
        self.all: dict[int, Watch] = {}
        self._protections: dict[int, int] = {}
        self._catching = False
        self._count = 0
        self._memory = Memory()
        self._emulator = Emulator(self._memory)

    def add(self, start: int, length: int, condition: str) -> Watch:
        """Watch a range from now on."""
        if length < 1:
            raise gdb.GdbError(f"expected a length of at least one byte, got {length}")
        _check_gdb()
        pages = range(start & -PAGE, start + length, PAGE)
        if int(gdb.parse_and_eval("$rsp")) & -PAGE in pages:
            raise gdb.GdbError("the range is on the stack in use, which the program cannot do without")
        for page in pages:
            if page not in self._protections:
                protection = _protection(page)
                _protect(page, 0)
                self._protections[page] = protection
        if not self._catching:
            gdb.execute("handle SIGSEGV stop print nopass", to_string=True)
            gdb.execute("catch signal SIGSEGV", to_string=True)
            gdb.execute("condition $bpnum $_mmio()")
            self._catching = True
        self._count += 1
        watch = self.all[self._count] = Watch(self._count, start, length, condition)
        return watch

    def remove(self, number: int) -> None:
        """Watch a range no more."""
        if self.all.pop(number, None) is None:
            raise gdb.GdbError(f"there is no watched range {number}; mmio-unwatch without a number removes all")
        for page in list(self._protections):
            if not any(watch.start < page + PAGE and page < watch.start + watch.length for watch in self.all.values()):
                _protect(page, self._protections.pop(page))

    def stopped(self) -> bool:
        """Do the instruction the program has stopped at for a watched range; return whether to report it."""
        info = gdb.parse_and_eval("$_siginfo")
        address = int(info["_sifields"]["_sigfault"]["si_addr"])
        if int(info["si_code"]) != 2 or address & -PAGE not in self._protections:  # SEGV_ACCERR
            print("\nThe fault is the program's own: go on with `signal SIGSEGV`.")
            return True
        cpu = Cpu()
        self._memory.seen.clear()
        code = _code(cpu.rip)
        ip = cpu.rip
        try:
            instruction = self._emulator.step(cpu, code)
        except (Fault, UnsupportedInstruction, DecodeError, NotImplementedError, AttributeError, gdb.error) as error:
            print(f"\nmmio-watch cannot do this instruction: {error}\nRemove the watch to go on: mmio-unwatch")
            return True
        cpu.store()
        hits = [self._hit(watch, seen, ip, instruction) for watch in self.all.values() for seen in self._memory.seen]
        return any(hits)

    def _hit(self, watch: Watch, seen: Seen, ip: int, instruction: Instruction) -> bool:
        """Return whether to stop for an access, and say so."""
        if not (seen.address < watch.start + watch.length and watch.start < seen.address + seen.width):
            return False
        if watch.condition:
            for name, value in seen._asdict().items():
                gdb.set_convenience_variable(f"_{name}", value & MASK if isinstance(value, int) else value)
            if not gdb.parse_and_eval(watch.condition):
                return False
        change = f"{seen.old:#x} -> {seen.new:#x}" if seen.direction == "write" else f"{seen.new:#x}"
        place = f"{seen.width} bytes at {seen.address:#x}"
        print(
            f"\nmmio-watch {watch.number}: {seen.direction} {place}: {change}, by {ip:#x} {instruction.format(ip=ip)}"
        )
        return True


WATCHES = Watches()


class Condition(gdb.Function):  # type: ignore[misc]
    """Condition of the catchpoint: whether a SIGSEGV is to be reported."""

    def __init__(self) -> None:
        super().__init__("_mmio")

    def invoke(self) -> int:
        return int(WATCHES.stopped())


class WatchCommand(gdb.Command):  # type: ignore[misc]
    """mmio-watch START LENGTH [if CONDITION]: stop after each access to a range of memory.

    START and LENGTH are expressions. The condition may use $_old and $_new (values), $_address, $_width and $_direction
    ("read" or "write")."""

    def __init__(self) -> None:
        super().__init__("mmio-watch", gdb.COMMAND_BREAKPOINTS, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument: str, from_tty: bool) -> None:
        what, _, condition = argument.partition(" if ")
        words = gdb.string_to_argv(what)
        if len(words) != 2:
            raise gdb.GdbError("expected mmio-watch START LENGTH [if CONDITION], blanks within quotes")
        start, length = (int(gdb.parse_and_eval(f"(unsigned long) ({word})")) for word in words)
        watch = WATCHES.add(start & MASK, length, condition.strip())
        print(f"mmio-watch {watch.number}: {watch.start:#x}..{watch.start + watch.length:#x}")


class UnwatchCommand(gdb.Command):  # type: ignore[misc]
    """mmio-unwatch [NUMBER]: watch a range, or all of them, no more."""

    def __init__(self) -> None:
        super().__init__("mmio-unwatch", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument: str, from_tty: bool) -> None:
        for number in [int(argument)] if argument else list(WATCHES.all):
            WATCHES.remove(number)


@cache
def _vector_parts() -> list[list[str]]:
    """Return the 64-bit words of the widest vector registers there are."""
    names = {register.name for register in gdb.selected_frame().architecture().registers()}
    name, words = next((name, words) for name, words in VECTORS if f"{name}0" in names)
    count = 32 if name == "zmm" else 16
    return [[f"${name}{i}.v{words}_int64[{j}]" for j in range(words)] for i in range(count)]


@cache
def _check_gdb() -> None:
    """Raise GdbError if this gdb cannot write vector registers: then no function of the program can be called, either.

    Linux takes the state of PTRACE_SETREGSET, NT_X86_XSTATE only as a whole, which gdb before 14 takes to be at most
    2,696 bytes (X86_XSTATE_MAX_SIZE). With AMX it has about 11,000, even for a program that does not use AMX.
    """
    word = _vector_parts()[0][0]
    before = int(gdb.parse_and_eval(word)) & MASK
    try:
        gdb.parse_and_eval(f"{word} = {before ^ 1:#x}")  # another value: gdb stores no value that it has read
        gdb.parse_and_eval(f"{word} = {before:#x}")
    except gdb.error as error:
        why = str(error).rstrip(".")
        raise gdb.GdbError(
            f"gdb {gdb.VERSION} cannot write the vector registers of this CPU ({why}), so it can neither call mprotect "
            "in the program nor do an instruction that loads them; gdb 14 and later can on CPUs with AMX"
        ) from None


def _code(ip: int) -> bytes:
    """Return the bytes at an address: fifteen, or those to the end of the page where nothing follows."""
    inferior = gdb.selected_inferior()
    try:
        return bytes(inferior.read_memory(ip, 15))
    except gdb.MemoryError:
        return bytes(inferior.read_memory(ip, PAGE - ip % PAGE))


def _protection(page: int) -> int:
    """Return what the program may do with a page."""
    for line in Path(f"/proc/{gdb.selected_inferior().pid}/maps").read_text().splitlines():
        span, permissions = line.split()[:2]
        first, last = (int(part, 16) for part in span.split("-"))
        if first <= page < last:
            if permissions[3] == "s":
                raise gdb.GdbError(f"the memory at {page:#x} is shared, and gdb cannot write it behind a protection")
            return sum(bit for bit, letter in zip((1, 2, 4), permissions, strict=False) if letter != "-")
    raise gdb.GdbError(f"nothing is mapped at {page:#x}")


def _protect(page: int, protection: int) -> None:
    call = f"((int (*)(void *, unsigned long, int)) mprotect)((void *) {page:#x}, {PAGE}, {protection})"
    if int(gdb.parse_and_eval(call)):
        raise gdb.GdbError(f"mprotect of the page at {page:#x} failed in the program")


Condition()
WatchCommand()
UnwatchCommand()
