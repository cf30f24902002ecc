"""Patched instructions of this process: their original bytes, and how they are restored.

Only the bytes of the instruction itself change, so nothing need be known of what jumps where. But a short instruction's
jump consists of bytes behind it, too, which are another instruction's. When that one is patched, the jumps that depend
on its bytes are restored first, and made anew afterwards.

Where no such jump leads anywhere, and that is wanted, the jump stands over the next instructions as well: they are HLT
then, and the stub executes copies of them (`followers.py`).
"""

import os
from collections.abc import Callable
from contextlib import suppress
from ctypes import Array, c_uint64
from functools import partial
from typing import Final, TypeVar

from attrs import define, field

from decode import WRITE, Instruction
from decode.operands import MemoryOperand
from mmio.linux.proc_maps import Mapping, mapping_at
from mmio.linux.process_memory import read_here
from mmio.linux.stub_functions import StubFunctions
from mmio.patching import stub, text
from mmio.patching.direct import Plain, plain
from mmio.patching.followers import MOST, starts_of_followers
from mmio.patching.jumps import JUMP, Places, places, places_over_followers
from mmio.patching.memory import NearMemory
from mmio.patching.stub import LONGEST

NO_ROOM: Final = "no memory is free where a jump of its size leads"
"""Why an instruction is not patched from which no jump leads; its neighbours decide where one would."""

ENTRIES: Final = 8
"""Jumps to instructions that another one stands over, more than calls of its stub, until it is taken back."""

_BEHIND: Final = 4  # bytes behind an instruction that may be part of its jump
_WITH_BIT_OFFSETS: Final = frozenset({"bt", "bts", "btr", "btc"})

_Result = TypeVar("_Result")


class NotPatched(Exception):
    """An instruction stays as it is; says why."""


class NoRoom(NotPatched):
    """No memory is free where a jump in place of an instruction leads."""


@define
class Site:
    """An instruction that has a stub.

    Attributes:
        address: of the instruction.
        width: of its access, in bytes.
        slot: the address of its stub.
        original: what stood there, with the instructions that the jump stands over.
        words: those of the stub.
        length: of the instruction.
        starts: where in `original` the instructions start that the jump stands over, itself first.
        entries: how often a thread has jumped to one of the others.
        plain: how its instruction is executed when the device is called directly; None where that is not done.
        jump: where its jump may lead; None while the instruction stands there as it was.
        patched: the bytes that stand there while it does not.
        offsets: what it has accessed of devices that were called directly, up to two offsets.
    """

    address: int
    width: int
    slot: int
    original: bytes
    words: "Array[c_uint64]" = field(repr=False)
    length: int
    starts: tuple[int, ...] = (0,)
    entries: int = 0
    plain: Plain | None = None
    jump: Places | None = None
    patched: bytes = b""
    offsets: set[int] = field(factory=set)

    @property
    def end(self) -> int:
        """The address behind what stood there."""
        return self.address + len(self.original)

    @property
    def is_port(self) -> bool:
        """Return whether the instruction accesses an IO port."""
        return bool(self.words[stub.EXCEPTION] == stub.GENERAL_PROTECTION)

    @property
    def stands(self) -> bool:
        """Return whether the jump stands in memory. Text changes while the GIL is held, so no part of it does."""
        return self.jump is not None and self.here() == self.patched

    def here(self) -> bytes:
        """Return what stands in place of the instruction; less when its file has been unloaded."""
        return read_here(self.address, len(self.original))

    def depends_on(self, start: int, end: int) -> bool:
        """Return whether bytes in a range are part of the jump, though not of the instruction."""
        return self.jump is not None and self.end < end and start < self.address + self.jump.used and self.end <= start

    def copy_of(self, address: int) -> int | None:
        """Return the address of the copy of an instruction that the jump stands over, for a thread that came there.

        Each time is a signal. So it is None, and the jump is to be taken back, once that happens more often than calls
        of the stub; and where no instruction is known to start at the address.
        """
        offset = address - self.address
        self.entries += 1
        known = offset in self.starts and self.entries <= self.calls + ENTRIES
        return self.slot + stub.COPY + offset if known else None

    def answer(self, start: int, end: int, hold: bool = True) -> None:
        """Aim the stub at operands that lie between two addresses.

        Args:
            start: the first.
            end: behind the last.
            hold: signals are blocked while the device is called directly.
        """
        self.answer_nowhere()
        self.words[stub.HOLD] = hold
        self.words[stub.LAST] = end - self.width
        self.words[stub.START] = start

    def answer_nowhere(self) -> None:
        """Aim the stub at no operand."""
        self.words[stub.START], self.words[stub.LAST] = stub.NOWHERE

    @property
    def calls(self) -> int:
        """Number of calls of the handler."""
        return int(self.words[stub.CALLS])


class Sites:
    """The instructions that have stubs, by their address.

    Args:
        functions: the functions that stubs call.
        memory: for stubs.
        steps: see `text.change`.
        stored: where a plain store continues that the function has sent back to store its value; 0 where its stub
            stores it before the call.
        over_followers: a jump may stand over the next instructions. A thread that jumps to one of these raises SIGSEGV,
            which has to take it to `copy_of`.
    """

    def __init__(
        self,
        functions: StubFunctions,
        memory: NearMemory,
        steps: int = text.ALL_STEPS,
        *,
        stored: int = 0,
        over_followers: bool = False,
    ) -> None:
        self._stored = stored
        self._over_followers = over_followers
        self._functions = functions
        self._memory = memory
        self._steps = steps
        self._sites: dict[int, Site] = {}

    def standing(self, address: int) -> Site | None:
        """Return the site whose jump stands at an address, None when there is none.

        A site is forgotten when other code stands there: its file has been unloaded, or it was made at run time.
        """
        site = self.known(address)
        return site if site is not None and site.stands else None

    def known(self, address: int) -> Site | None:
        """Return the site of an address, also where the instruction has been restored; None when there is none."""
        site = self._sites.get(address)
        if site is not None and site.here() not in (site.original, site.patched):
            del self._sites[address]
            return None
        return site

    def original(self, address: int, code: bytes) -> bytes:
        """Return code read from memory as it would be without patches.

        A site's bytes count only where its own stand: other code may have been loaded at its address.
        """
        whole = bytearray(code)
        end = address + len(code)
        for start in range(address - LONGEST + 1, end):
            site = self._sites.get(start)
            if site is None or site.jump is None:
                continue
            first, last = max(start, address), min(site.end, end)
            here, there = slice(first - start, last - start), slice(first - address, last - address)
            if first < last and code[there] == site.patched[here]:
                whole[there] = site.original[here]
        return bytes(whole)

    def patch(self, address: int, instruction: Instruction) -> Site:
        """Make an instruction jump to a stub, which answers nowhere yet where it is new.

        Raises:
            NotPatched: it cannot be.
        """
        standing = self.standing(address)
        if standing is not None:
            return standing
        site = self._sites.get(address)
        if site is None or site.length != instruction.length or not site.original.startswith(instruction.code):
            self._sites.pop(address, None)
            site = self._prepared(address, instruction)
        try:
            return self._patched(site)
        except NoRoom:
            code = read_here(address, MOST)
            starts = starts_of_followers(address, code) if self._over_followers else ()
            if not starts or len(site.starts) > 1 or not code.startswith(instruction.code):
                raise
            return self._patched(self._prepared(address, instruction, code[: starts[-1]], starts[:-1]))

    def _patched(self, site: Site) -> Site:
        """Put the jump of a site in place, with those that depend on its bytes. Raises NotPatched."""
        if any(
            other.address < site.end and site.address < other.end
            for other in self._sites.values()
            if other.address != site.address
        ):
            raise NotPatched("it overlaps another instruction that is patched")
        dependent = self._withdrawn(site.address, site.end)
        before = self._sites.get(site.address)
        self._sites[site.address] = site  # before its text changes: a thread that meets the HLT is sent to its stub
        try:
            self._place(site)
        except NotPatched:
            if before is None and site.here() == site.original:
                del self._sites[site.address]
            raise
        finally:
            for other in sorted(dependent, key=lambda each: -each.address):
                with suppress(NotPatched):
                    self._place(other)
        return site

    def over(self, address: int) -> Site | None:
        """Return the site whose jump stands, or stood, over an instruction behind its own; None when there is none."""
        for start in range(address - JUMP + 1, address):
            site = self._sites.get(start)
            if site is not None and len(site.starts) > 1 and address - start >= site.length:
                return site
        return None

    def take_back(self, address: int) -> None:
        """Restore an instruction. Threads in its stub continue; the stub stays.

        Raises:
            NotPatched: other code stands there by now.
        """
        site = self._sites[address]
        if site.jump is None:
            return
        dependent = self._withdrawn(site.address, site.end)
        self._restore(site)
        for other in sorted(dependent, key=lambda each: -each.address):
            with suppress(NotPatched):
                self._place(other)

    def within(self, start: int, end: int) -> list[Site]:
        """Return the sites whose jump consists of bytes in a range."""
        jumping = [(site, site.jump) for site in self._sites.values() if site.jump is not None]
        return [
            site for site, jump in jumping if site.address < end and start < max(site.address + jump.used, site.end)
        ]

    def take_all_back(self) -> int:
        """Restore all instructions but those in whose place other code stands; return how many have been."""
        restored = 0
        for address in list(self._sites):
            with suppress(NotPatched):
                if self.standing(address) is not None:
                    self._withdrawn(address, self._sites[address].end)
                    self._restore(self._sites[address])
                    restored += 1
        return restored

    def _prepared(
        self, address: int, instruction: Instruction, original: bytes = b"", starts: tuple[int, ...] = (0,)
    ) -> Site:
        """Return a new site with its stub; what its jump stands over is the instruction alone unless said otherwise."""
        width = width_of(instruction)
        original = original or instruction.code
        slot = self._memory.slot(address)
        if slot is None:
            raise NotPatched("no memory is free within 2 GiB")
        writes = any(access.direction & WRITE for access in instruction.accesses)
        later = self._stored > 0
        how = plain(instruction, -stub.LOADED_BELOW, -stub.STORED_BELOW) if later else plain(instruction)
        try:
            followers = original[instruction.length :]
            code = stub.code(slot, address, instruction, how, followers, stored_later=later)
        except ValueError as error:
            raise NotPatched("its operand is not addressed by general registers alone") from error
        function = self._functions.other if how is None else self._functions.of(how.stores, how.wide)
        words = (c_uint64 * stub.WORDS).from_address(slot + stub.CODE)
        for index, word in enumerate(stub.words(function, address, instruction, writes)):
            words[index] = word
        words[stub.STORED] = self._stored
        words[stub.LOWER] = stub.STORED_BELOW if later and how is not None and how.wide else 0
        _tried(partial(text.write, slot, code, self._memory.memory_file))
        return Site(address, width, slot, original, words, instruction.length, starts, plain=how)

    def _withdrawn(self, start: int, end: int) -> list[Site]:
        """Restore the sites whose jumps consist of bytes in a range, and before them those that depend on these."""
        found: list[Site] = []
        for site in [each for each in self._sites.values() if each.depends_on(start, end)]:
            found += self._withdrawn(site.address, site.end)
            if site.stands:
                self._restore(site)
                found.append(site)
            site.jump = None
        return found

    def _place(self, site: Site) -> None:
        """Write the jump to a site's stub."""
        if site.here() != site.original:
            raise NotPatched("other code stands there by now")
        over = len(site.starts) > 1
        behind = b"" if over else read_here(site.end, _BEHIND)
        found = (
            (places_over_followers(site.address, site.length),) if over else places(site.address, site.length, behind)
        )
        for jump in found:
            landing = _tried(partial(self._memory.landing, jump, site.slot))
            if landing is not None:
                code = jump.jump(landing)
                site.jump, site.patched = jump, code + site.original[len(code) :]
                self._change(site, code)
                return
        raise NoRoom(NO_ROOM)

    def _restore(self, site: Site) -> None:
        if site.here() != site.patched:
            raise NotPatched("other code stands there by now")
        self._change(site, site.original)
        site.jump = None

    def _change(self, site: Site, code: bytes) -> None:
        _tried(partial(text.change, site.address, code, self._steps, self._memory.memory_file, site.starts))


def width_of(instruction: Instruction) -> int:
    """Return the width in bytes of an instruction's access to its port or its one memory operand.

    Raises:
        NotPatched: more than the operand's address decides what it touches, or it must be indivisible.
    """
    if stub.port_of(instruction) is not None:
        return instruction.accesses[0].width
    operands = {access.operand for access in instruction.accesses}
    if len(operands) != 1 or not all(isinstance(operand, MemoryOperand) for operand in operands):
        raise NotPatched("it has not exactly one memory operand")
    if instruction.lock or instruction.mnemonic == "xchg":
        raise NotPatched("it is locked")
    if instruction.string or instruction.mnemonic in _WITH_BIT_OFFSETS:
        raise NotPatched("more registers than those of its operand decide what it touches")
    width = instruction.accesses[0].width
    if not width:
        raise NotPatched("its width is known only when it is executed")
    return width


def _tried(function: Callable[[], _Result]) -> _Result:
    try:
        return function()
    except OSError as error:
        raise NotPatched(error.strerror or str(error)) from error


def text_mapping(ip: int, length: int, only_files: bool) -> Mapping:
    """Return the mapping of this process that an instruction is in, if it may be patched there.

    Args:
        ip: the address of the instruction.
        length: of what is changed, in bytes.
        only_files: it must come from a file; other code may be changed by its owner.

    Raises:
        NotPatched: its code is shared, or comes from no file.
    """
    found = mapping_at(os.getpid(), ip)
    if found is None or found.shared or ip + length > found.end:
        raise NotPatched("its code is shared memory")
    if only_files and ("w" in found.permissions or not found.path.startswith("/")):
        raise NotPatched("its code does not come from a file")
    return found
