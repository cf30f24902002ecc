"""Effects of an access on the bits of a register.

The vocabulary is SystemRDL 2.0's (section 9.6, software access): a real register is seldom plain storage, and these
words name what register descriptions the world over say in prose. Each is one row of a table, a function of the old
bits and the written ones; a register is a list of (mask, function), worked through once an access. Bits never meet
bits of another position, so one function serves a flag and a whole register.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeAlias

from attrs import frozen

from mmio.arguments import shortened

Access: TypeAlias = Literal["rw", "r", "w", "rw1", "w1", "na"]
OnRead: TypeAlias = Literal["rclr", "rset"]
OnWrite: TypeAlias = Literal["woclr", "woset", "wot", "wzc", "wzs", "wzt", "wclr", "wset"]

# rw1 and w1: written once, then locked until reset. What may not be read reads as 0; what may not be written stays.
ACCESS: Final[frozenset[str]] = frozenset(("rw", "r", "w", "rw1", "w1", "na"))

ON_READ: Final[dict[str, Callable[[int], int]]] = {
    "rclr": lambda old: 0,
    "rset": lambda old: -1,
}

ON_WRITE: Final[dict[str, Callable[[int, int], int]]] = {
    "woclr": lambda old, data: old & ~data,
    "woset": lambda old, data: old | data,
    "wot": lambda old, data: old ^ data,
    "wzc": lambda old, data: old & data,
    "wzs": lambda old, data: old | ~data,
    "wzt": lambda old, data: old ^ ~data,
    "wclr": lambda old, data: 0,
    "wset": lambda old, data: -1,
}

# What the same things are called elsewhere: in data sheets, in CMSIS-SVD, in UVM.
SYNONYMS: Final = {
    "ro": "r",
    "read-only": "r",
    "wo": "w",
    "write-only": "w",
    "read-write": "rw",
    "w1c": "woclr",
    "w1s": "woset",
    "w1t": "wot",
    "w0c": "wzc",
    "w0s": "wzs",
    "w0t": "wzt",
    "oneToClear": "woclr",
    "oneToSet": "woset",
    "oneToToggle": "wot",
    "zeroToClear": "wzc",
    "zeroToSet": "wzs",
    "zeroToToggle": "wzt",
    "rc": "rclr",
    "rs": "rset",
    "wc": "wclr",
    "ws": "wset",
    "clear": "rclr",
    "set": "rset",
}


def _store(old: int, data: int) -> int:
    return data


@frozen
class Bits:
    """Some bits of a register and what happens to them."""

    mask: int
    access: str
    on_read: str | None
    on_write: str | None
    singlepulse: bool

    def problem(self) -> str | None:
        """Say what is wrong with the words, or None."""
        for word, known, what in (
            (self.access, ACCESS, "access"),
            (self.on_read, ON_READ, "on_read"),
            (self.on_write, ON_WRITE, "on_write"),
        ):
            if (what == "access" and word is None) or (word is not None and word not in tuple(known)):
                meant = SYNONYMS.get(word) if isinstance(word, str) else None
                hint = f"; what others call {word} is {meant!r} here" if meant in known else ""
                return f"{what} is {shortened(word)}, expected one of {', '.join(sorted(known))}{hint}"
        if self.on_read and "r" not in self.access:
            return f"on_read={self.on_read!r}, but access {self.access!r} never reads it"
        if "w" not in self.access and (self.on_write or self.singlepulse):
            word = f"on_write={self.on_write!r}" if self.on_write else "singlepulse"
            return f"{word}, but access {self.access!r} never writes it"
        return None


@frozen
class Effects:
    """A register's behaviour: what reads show, what reads and writes change. All masks."""

    readable: int
    writable: int
    once: int
    pulse: int
    reads: tuple[tuple[int, Callable[[int], int]], ...]
    writes: tuple[tuple[int, Callable[[int, int], int]], ...]

    @classmethod
    def of(cls, groups: Iterable[Bits]) -> "Effects":
        """Put together the effects of groups of bits that do not overlap and have no `problem`."""
        readable = writable = once = pulse = 0
        reads: dict[Callable[[int], int], int] = {}
        writes: dict[Callable[[int, int], int], int] = {}
        for bits in groups:
            if "r" in bits.access:
                readable |= bits.mask
            if "w" in bits.access:
                writable |= bits.mask
                write = ON_WRITE[bits.on_write] if bits.on_write else _store
                writes[write] = writes.get(write, 0) | bits.mask
            if bits.access.endswith("1"):
                once |= bits.mask
            if bits.singlepulse:
                pulse |= bits.mask
            if bits.on_read:
                read = ON_READ[bits.on_read]
                reads[read] = reads.get(read, 0) | bits.mask
        return cls(
            readable,
            writable,
            once,
            pulse,
            tuple((mask, effect) for effect, mask in reads.items()),
            tuple((mask, effect) for effect, mask in writes.items()),
        )

    def reads_plainly(self, mask: int) -> bool:
        """Return whether these bits read as they are and stay so."""
        return self.readable == mask and not self.reads

    def writes_plainly(self, mask: int) -> bool:
        """Return whether these bits become what is written, every time."""
        return self.writes == ((mask, _store),) and not (self.once or self.pulse)

    def after_read(self, old: int) -> int:
        """Return the value a read leaves behind."""
        for mask, effect in self.reads:
            old = old & ~mask | effect(old) & mask
        return old

    def after_write(self, old: int, data: int, lanes: int) -> int:
        """Return the value a write of `data` leaves behind; `lanes` masks the bits it can reach."""
        new = old
        for mask, effect in self.writes:
            reached = mask & lanes
            new = new & ~reached | effect(old, data) & reached
        return new
