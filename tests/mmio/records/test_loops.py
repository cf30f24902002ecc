"""Recognising loops of accesses."""

from hypothesis import given
from hypothesis import strategies as st

from decode import WRITE
from mmio.records.loops import MAX_LOOP, Loop, kind
from tests.mmio.sample_traces import access

KEYS = st.lists(st.integers(0, 3), max_size=60)
TURNS = st.lists(
    st.builds(lambda turn, times: turn * times, st.lists(st.integers(0, 3), max_size=6), st.integers(1, 5)), max_size=8
).map(lambda turns: [key for turn in turns for key in turn])


def follow(keys: list[int]) -> tuple[Loop[int], list[bool]]:
    loop: Loop[int] = Loop()
    return loop, [loop.follows(key) for key in keys]


def test_a_loop_is_known_after_its_second_turn() -> None:
    """What comes then continues with it, until something else does."""
    loop, follows = follow([1, 2, 1, 2, 1, 2, 1])
    assert follows == [False] * 4 + [True] * 3
    assert (loop.length, loop.count, loop.turns) == (2, 7, 3)
    assert not loop.follows(3)
    assert (loop.length, loop.count, loop.turns) == (0, 0, 0)


def test_the_shortest_loop_counts() -> None:
    """A loop of one is not one of two or four."""
    loop, follows = follow([5] * 10)
    assert (loop.length, loop.turns, follows) == (1, 10, [False] * 2 + [True] * 8)


def test_longer_loops_are_none() -> None:
    """More than `MAX_LOOP` accesses a turn are no polling."""
    loop, follows = follow(list(range(MAX_LOOP + 1)) * 20)
    assert (loop.length, any(follows)) == (0, False)


def test_a_loop_may_begin_in_the_turn_another_ends_in() -> None:
    """What was before the end of a loop is not forgotten."""
    loop, _ = follow([1, 2, 1, 2, 1, 3, 1, 3])
    assert (loop.length, loop.turns) == (2, 2)
    loop, _ = follow([5, 5, 6, 5, 5, 6])
    assert (loop.length, loop.turns) == (3, 2)


@given(KEYS)
def test_a_loop_repeats_itself(keys: list[int]) -> None:
    """Whatever a loop claims to be has been there: the last `count` keys are turns of the same `length` keys."""
    loop: Loop[int] = Loop()
    for number, key in enumerate(keys, 1):
        loop.follows(key)
        if loop.length:
            seen = keys[number - loop.count : number]
            assert len(seen) == loop.count >= 2 * loop.length
            assert all(a == b for a, b in zip(seen, seen[loop.length :], strict=False))


@given(KEYS, st.lists(st.integers(0, 3), min_size=1, max_size=MAX_LOOP))
def test_every_loop_is_found(before: list[int], turn: list[int]) -> None:
    """Whatever came before, a turn repeated often enough becomes a loop that holds it."""
    loop, _ = follow(before + turn * 10)
    assert loop.length
    assert len(turn) % loop.length == 0


@given(KEYS | TURNS, st.integers(1, MAX_LOOP))
def test_a_loop_is_what_it_says(keys: list[int], longest: int) -> None:
    """A loop continues while each key is that of a turn ago; else the shortest turn that has just come twice is one."""
    loop: Loop[int] = Loop(longest)
    length = count = 0
    for end, key in enumerate(keys, 1):
        follows = length > 0 and key == keys[end - 1 - length]
        if follows:
            count += 1
        else:
            twice = [
                n for n in range(1, longest + 1) if n * 2 <= end and keys[end - n : end] == keys[end - 2 * n : end - n]
            ]
            length = min(twice, default=0)
            count = 2 * length
        assert loop.follows(key) == follows
        assert (loop.length, loop.count, loop.turn) == (length, count, keys[end - length : end])


def test_reads_of_a_loop_may_differ_in_value_only() -> None:
    """Reads of a loop may differ in value, writes may not; place, width, instruction and thread may not."""
    assert kind(access(0, value=1)) == kind(access(9, value=2))
    assert kind(access(0, value=1, direction=WRITE)) != kind(access(1, value=2, direction=WRITE))
    for change in ({"address": 1}, {"width": 2}, {"ip": 1}, {"thread": 1}, {"space": "port"}):
        assert kind(access(0, **change)) != kind(access(0))
