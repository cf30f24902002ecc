"""Patched instructions of this process: their original bytes, and how they are restored.

Only the bytes of the instruction itself change, so nothing need be known of what jumps where. But a short instruction's
jump consists of bytes behind it, too, which are another instruction's. When that one is patched, the jumps that depend
on its bytes are restored first, and made anew afterwards.
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
from mmio.linux.proc_maps import Mapping, mappings
from mmio.linux.process_memory import read_here
from mmio.patching import stub, text
from mmio.patching.direct import Plain, plain
from mmio.patching.jumps import Places, places
from mmio.patching.memory import NearMemory
from mmio.patching.stub import LONGEST

_BEHIND: Final = 4  # bytes behind an instruction that may be part of its jump
_WITH_BIT_OFFSETS: Final = frozenset({"bt", "bts", "btr", "btc"})

_Result = TypeVar("_Result")


class NotPatched(Exception):
    """An instruction stays as it is; says why."""


@define
class Site:
    """An instruction that has a stub.

    Attributes:
        address: of the instruction.
        width: of its access, in bytes.
        slot: the address of its stub.
        original: what stood there.
        words: those of the stub.
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
    plain: Plain | None = None
    jump: Places | None = None
    patched: bytes = b""
    offsets: set[int] = field(factory=set)

    @property
    def end(self) -> int:
        """The address of the next instruction."""
        return self.address + len(self.original)

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
        functions: the addresses of the machine code that stubs call: of a plain load, of a plain store, of any other.
        memory: for stubs.
        steps: see `text.change`.
        only_frames: no device is called directly, so all stubs call the function of any other; and IN and OUT are
            patched, too.
    """

    def __init__(
        self,
        functions: tuple[int, int, int],
        memory: NearMemory,
        steps: int = text.ALL_STEPS,
        *,
        only_frames: bool = False,
    ) -> None:
        self._only_frames = only_frames
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
        if site is None or site.original != instruction.code:
            self._sites.pop(address, None)
            site = self._prepared(address, instruction)
        if any(other.address < site.end and address < other.end for other in self._sites.values() if other is not site):
            raise NotPatched("it overlaps another instruction that is patched")
        dependent = self._withdrawn(site.address, site.end)
        before = self._sites.get(address)
        self._sites[address] = site  # before its text changes: a thread that meets the HLT is sent to its stub
        try:
            self._place(site)
        except NotPatched:
            if before is None and site.here() == site.original:
                del self._sites[address]
            raise
        finally:
            for other in sorted(dependent, key=lambda each: -each.address):
                with suppress(NotPatched):
                    self._place(other)
        return site

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
        return [site for site, jump in jumping if site.address < end and start < site.address + jump.used]

    def take_all_back(self) -> None:
        """Restore all instructions but those in whose place other code stands."""
        for address in list(self._sites):
            with suppress(NotPatched):
                if self.standing(address) is not None:
                    self._withdrawn(address, self._sites[address].end)
                    self._restore(self._sites[address])

    def _prepared(self, address: int, instruction: Instruction) -> Site:
        """Return a new site with its stub."""
        port = self._only_frames and stub.port_of(instruction) is not None
        width = instruction.accesses[0].width if port else width_of(instruction)
        slot = self._memory.slot(address)
        if slot is None:
            raise NotPatched("no memory is free within 2 GiB")
        writes = any(access.direction & WRITE for access in instruction.accesses)
        how = None if self._only_frames else plain(instruction)
        try:
            code = stub.code(slot, address, instruction, how)
        except ValueError as error:
            raise NotPatched("its operand is not addressed by general registers alone") from error
        load, store, other = self._functions
        function = other if how is None else store if how.stores else load
        words = (c_uint64 * stub.WORDS).from_address(slot + stub.CODE)
        for index, word in enumerate(stub.words(function, address, instruction, writes)):
            words[index] = word
        _tried(partial(text.write, slot, code, self._memory.memory_file))
        return Site(address, width, slot, instruction.code, words, how)

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
        for jump in places(site.address, len(site.original), read_here(site.end, _BEHIND)):
            landing = _tried(partial(self._memory.landing, jump, site.slot))
            if landing is not None:
                code = jump.jump(landing)
                site.jump, site.patched = jump, code + site.original[len(code) :]
                _tried(partial(text.change, site.address, code, self._steps, self._memory.memory_file))
                return
        raise NotPatched("no memory is free where a jump of its size leads")

    def _restore(self, site: Site) -> None:
        if site.here() != site.patched:
            raise NotPatched("other code stands there by now")
        _tried(partial(text.change, site.address, site.original, self._steps, self._memory.memory_file))
        site.jump = None


def width_of(instruction: Instruction) -> int:
    """Return the width in bytes of an instruction's access to its one memory operand.

    Raises:
        NotPatched: more than the operand's address decides what it touches, or it must be indivisible.
    """
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
    found = next((mapping for mapping in mappings(os.getpid()) if mapping.start <= ip < mapping.end), None)
    if found is None or found.shared or ip + length > found.end:
        raise NotPatched("its code is shared memory")
    if only_files and ("w" in found.permissions or not found.path.startswith("/")):
        raise NotPatched("its code does not come from a file")
    return found
