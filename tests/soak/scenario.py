"""Scenarios: what the program does, under which engine, and what goes wrong meanwhile, as follows from a seed."""

from __future__ import annotations

import shlex
import signal
from random import Random
from typing import Final

from attrs import evolve, frozen

ENGINES: Final = "ptrace", "inprocess"
CHILDREN_ACCESS: Final = {"ptrace": True, "inprocess": True}
"""Whether children of the program touch the device under an engine."""
LIMITED: Final = {"ptrace": True, "inprocess": True}
"""Whether an engine holds the program to its limit of open files."""

ATTACH: Final = "attach"

# The operations of target.c, by letter, and how often each is drawn.
_OPERATIONS: Final = {
    "a": 8,
    "A": 3,  # accesses
    "t": 4,
    "j": 2,
    "k": 4,  # threads, and signals to them
    "h": 1,
    "i": 5,
    "l": 3,
    "u": 1,  # handlers, a timer, jumps out of handlers, a pause
    "f": 4,
    "p": 1,
    "x": 2,  # children, one that writes to a pipe, execve
    "m": 6,
    "s": 4,
    "d": 1,  # mappings, system calls on the device, descriptors
}
_DEADLY: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGSYS, signal.SIGABRT, signal.SIGPIPE)
_TO_TRACER: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)


@frozen
class Kill:
    """A signal from outside.

    Attributes:
        victim: "target", the program, or "tracer", pagetrap.
        number: of the signal.
        after: accesses that the program has begun by then.
    """

    victim: str
    number: int
    after: int


@frozen
class Scenario:
    """A run of the program under pagetrap.

    Attributes:
        seed: what it was made from, with the engine.
        engine: of ENGINES.
        way: the command of pagetrap: "trace", "run" on a model that is RAM, or "attach".
        words: the script, as `target.c` takes it.
        limit: of open files (RLIMIT_NOFILE); None for what there is.
        soft: only the soft limit is so low.
        disk: bytes that the trace file may have; 0 for a file that takes none; None for no bound.
        tmpfs: the file system has so many bytes, where one can be mounted; else the file may have (RLIMIT_FSIZE).
        kill: None when all may live.
        live: whether each access is printed, too.
    """

    seed: int
    engine: str
    way: str
    words: tuple[str, ...]
    limit: int | None = None
    soft: bool = False
    disk: int | None = None
    tmpfs: bool = False
    kill: Kill | None = None
    live: bool = False

    @property
    def flags(self) -> int:
        """Return the FLAGS of `target.c`."""
        return CHILDREN_ACCESS[self.engine] | LIMITED[self.engine] << 1

    @property
    def repeat(self) -> str:
        """Return the command that makes and runs it again."""
        return f"{shlex.join(['python', '-m', 'tests.soak', '--engine', self.engine, '--scenario', str(self.seed)])}"

    def __str__(self) -> str:
        """Return all of it on one line."""
        disturbed = ["live"] if self.live else []
        disturbed += [f"{name} {value}" for name in ("limit", "disk") if (value := getattr(self, name)) is not None]
        disturbed += [name for name in ("soft", "tmpfs") if getattr(self, name)]
        if self.kill:
            number = signal.Signals(self.kill.number).name
            disturbed.append(f"{number} to the {self.kill.victim} after {self.kill.after} accesses")
        return f"{self.engine} {self.way} [{', '.join(disturbed)}] {' '.join(self.words)}"


def scenario(seed: int, engine: str) -> Scenario:
    """Make the scenario of a seed for an engine."""
    random = Random(f"{engine} {seed}")
    ways = {"trace": 5, "run": 5, ATTACH: 2 if engine == "ptrace" else 0}
    (way,) = random.choices(tuple(ways), tuple(ways.values()))
    made = Scenario(seed, engine, way, _script(random, engine), live=random.random() < 0.1)
    if way == ATTACH:
        return _attaching(random, made)
    disturbance = random.choices(("", "target", "tracer", "disk", "limit"), (10, 3, 3, 2, 3))[0]
    match disturbance:
        case "target":
            return evolve(made, kill=Kill("target", random.choice(_DEADLY), _moment(random)))
        case "tracer":
            return evolve(made, kill=Kill("tracer", random.choice(_TO_TRACER), _moment(random)))
        case "disk":
            if random.random() < 0.3:
                return evolve(made, disk=0)
            # The limit is one of standard error, too, and of the memory file that stands for a device.
            disk = random.randrange(1 << 15, 1 << 17)
            return evolve(made, live=False, disk=disk, tmpfs=random.random() < 0.5)
        case "limit":
            return evolve(made, limit=random.randrange(12, 65), soft=random.random() < 0.7)
    return made


def _script(random: Random, engine: str) -> tuple[str, ...]:
    letters = random.choices(tuple(_OPERATIONS), tuple(_OPERATIONS.values()), k=random.randrange(5, 25))
    words: list[str] = []
    for letter in letters:
        if letter == "x" and engine == "ptrace" and random.random() < 0.5:
            words.append(_word(random, "w"))  # execve while other threads run
        words.append(_word(random, letter))
    end = random.random()
    if end < 0.25:
        words.append(_word(random, "w"))  # exit while other threads run
    if end > 0.8:
        words.append(f"K{int(random.choice(_DEADLY))}")
    elif end > 0.2:
        words.append(f"q{random.randrange(124)}")
    return tuple(words)


def _word(random: Random, letter: str) -> str:
    return f"{letter}{random.randrange(1 << 32)}"


def _moment(random: Random) -> int:
    return int(2 ** random.uniform(0, 11))


def _attaching(random: Random, made: Scenario) -> Scenario:
    """Let the program wait for the tracer in one place of its script, and for the tracer's end in a later one."""
    words = list(made.words)
    first, second = sorted(random.randrange(len(words)) for _ in range(2))
    kill = Kill("tracer", random.choice(_TO_TRACER), _moment(random)) if random.random() < 0.8 else None
    if kill and kill.number == signal.SIGKILL:
        # Until the program's next access, calls into what was trapped fail with EFAULT (docs/guarantees.md).
        words = ["a" + word[1:] if word[0] == "s" else word for word in words]
    words[second:second] = ["y2"] if kill else []
    words[first:first] = ["y1"]
    return evolve(made, words=tuple(words), kill=kill)
