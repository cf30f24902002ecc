"""What accesses have in common."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mmio import Access
from mmio.records.spot import LIMIT, Remembered, Spot, Spots
from tests.mmio.sample_traces import MOV, access, accesses


@given(accesses())
def test_spot_and_the_rest_are_the_access(each: Access) -> None:
    """A spot, a number, a time and values make the access again; place and meaning are the access's."""
    described = evolve(
        each, describe=lambda offset, width, value: f"{offset:x} {width} {value:x}", layout=(("A", 1, 0),)
    )
    spot = Spot.of(described)
    again = spot.access(each.sequence, each.time, each.value, each.old)
    assert again == described
    assert (again.layout, again.decoded) == (described.layout, described.decoded)
    assert (spot.place, spot.decoded(each.value)) == (described.place, described.decoded)


@given(st.lists(accesses(), max_size=5))
def test_equal_accesses_have_one_spot(made: list[Access]) -> None:
    """Accesses that differ in number, time and value only have the same spot, others have not."""
    spots = Spots()
    for each in made:
        later = evolve(each, sequence=each.sequence + 1, time=each.time + 1, value=0)
        assert spots.of(each) is spots.of(later)
        assert spots.of(each) is not spots.of(evolve(each, flags=each.flags ^ 1))


def test_memory_is_bounded() -> None:
    """However many spots there are, few are remembered."""
    spots = Spots()
    names: Remembered[int, str] = Remembered(hex)
    for n in range(LIMIT + 10):
        spots.of(access(address=n, instruction=MOV))
        assert names[n] == hex(n)
    assert len(spots._spots) <= LIMIT
    assert len(names) <= LIMIT


def test_remembered_is_asked_once() -> None:
    """What a function made of its argument is kept."""
    asked: list[int] = []

    def make(number: int) -> str:
        asked.append(number)
        return str(number)

    made = Remembered(make)
    assert [made[1], made[2], made[1]] == ["1", "2", "1"]
    assert asked == [1, 2]
