"""Accesses wider than a device takes: the short way does what the long way does, for any device, mapping and access."""

from typing import Any

from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from decode import decode
from mmio import AddressSpace, Trace
from mmio.errors import NoRegister
from mmio.space.region import Segment

BASE, LENGTH = 0x1000, 96
MOVUPS = decode(bytes.fromhex("0f1007"), 64)


class Device:
    """Answers and raises as it is told; notes what it is asked."""

    def __init__(self, answers: list[Any], missing: int) -> None:
        self.answers, self.missing = list(answers), missing
        self.asked: list[tuple[int, ...]] = []

    def read(self, offset: int, width: int) -> Any:
        self.asked.append((offset, width))
        return self._next(offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        self.asked.append((offset, width, value))
        self._next(offset, width)

    def holes(self, offset: int, width: int) -> int:
        """Return a mask of the one byte that is missing, if any."""
        byte = self.missing - offset
        return 0xFF << 8 * byte if 0 <= byte < width else 0

    def _next(self, offset: int, width: int) -> Any:
        answer = self.answers.pop(0) if self.answers else 0x5A
        if answer == "hole":
            raise NoRegister(self, offset, width)
        if isinstance(answer, type):
            raise answer(f"at {offset:#x}")
        return answer % (1 << 8 * width) if type(answer) is int and answer >= 0 else answer


ANSWERS = st.lists(
    st.one_of(
        st.integers(0, (1 << 512) - 1), st.sampled_from(["hole", None, True, -1, ValueError, LookupError, OSError])
    ),
    max_size=8,
)
ACCESSES = st.lists(
    st.tuples(
        st.integers(BASE, BASE + LENGTH // 2) | st.integers(BASE - 8, BASE + LENGTH),
        st.sampled_from([16, 32, 64]) | st.sampled_from([1, 3, 8, 10]),
        st.none() | st.integers(0, (1 << 512) - 1),
        st.sampled_from([0x4000, 0x5000]),
    ),
    min_size=1,
    max_size=8,
)
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "widths": st.sets(st.sampled_from([1, 2, 4, 8, 16]), min_size=1),
        "unaligned": st.sampled_from(["pass", "split", "error"]),
        "too_wide": st.sampled_from(["split", "pass", "error"]),
        "unmapped": st.sampled_from(["error", "ones", "zeros"]),
    },
)


def played(answers: list[Any], missing: int, policy: dict[str, Any], accesses: list[Any], watched: bool) -> Any:
    """Make the accesses; return all that can be seen of them."""
    device, space, trace = Device(answers, missing), AddressSpace(), Trace()
    space.map(BASE, LENGTH, device, "card", **policy)
    hits: list[str] = []
    if watched:
        space.watch(BASE + 30, 40, "access", call=lambda hit: hits.append(f"{hit.old!r} {hit.new!r}"))
    bus = space.initiator(7)
    bus.trace, bus.instruction = trace, MOVUPS
    said = []
    for address, width, value, ip in accesses:
        bus.ip = ip
        try:
            if value is None:
                said.append(hex(bus.read(address, width)))
            else:
                bus.write(address, width, value % (1 << 8 * width))
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
    return said, device.asked, [evolve(access, time=0) for access in trace], hits


@given(
    answers=ANSWERS,
    missing=st.sampled_from([-1, -1, 20]),
    policy=POLICIES,
    accesses=ACCESSES,
    watched=st.booleans(),
)
@example(answers=[], missing=-1, policy={}, accesses=[(BASE + 32, 16, None, 0x4000)], watched=True)
@example(answers=[], missing=20, policy={}, accesses=[(BASE + 16, 16, None, 0x4000)], watched=False)
@example(answers=[], missing=-1, policy={}, accesses=[(BASE + 16, 16, 5, 0x4000)], watched=False)
def test_the_short_way_is_the_long_way(
    answers: list[Any], missing: int, policy: dict[str, Any], accesses: list[Any], watched: bool
) -> None:
    """Values, errors, what the device is asked in which order, records and hits of watchpoints."""
    short = played(answers, missing, policy, accesses, watched)
    pieces = Segment.pieces
    Segment.pieces = lambda *_: ()  # type: ignore[method-assign]
    try:
        assert played(answers, missing, policy, accesses, watched) == short
    finally:
        Segment.pieces = pieces  # type: ignore[method-assign]


def test_a_site_that_reads_and_writes() -> None:
    """XSAVE and others read and write: each access is recorded as what it was."""
    accesses = [(BASE, 16, value, 0x4000) for value in (None, 5, None, 6)]
    _, _, records, _ = played([], -1, {}, accesses, watched=False)
    assert [str(each.direction) for each in records] == ["1", "1", "2", "2"] * 2


def test_a_vector_goes_the_short_way() -> None:
    """A device with the default policy, where it is not watched."""
    space = AddressSpace()
    space.map(BASE, LENGTH, Device([], -1), "card")
    segment = space.memory.find(BASE)
    assert segment.pieces(BASE + 3, 16)
    assert not segment.pieces(BASE + 3, 8)
    assert not segment.pieces(BASE + LENGTH - 8, 16)
    space.watch(BASE, LENGTH, "write")
    assert not space.memory.find(BASE).pieces(BASE + 3, 16)
