"""Virtual time: order, exactness, refusals."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.device.clock import STORM, Clock, ClockError, Timer, ms, seconds, us


def _note(made: list[tuple[int, int]], clock: Clock, index: int) -> None:
    made.append((clock.now, index))


def test_units_are_nanoseconds() -> None:
    """`us`, `ms` and `seconds` give ns."""
    assert (us(3), ms(3), seconds(3)) == (3_000, 3_000_000, 3_000_000_000)


@given(st.lists(st.integers(0, 20)), st.integers(0, 25))
def test_calls_come_in_order_of_time_then_of_making(delays: list[int], end: int) -> None:
    """Until a time, that time included, each call is made at its own time; equal times keep the order of making."""
    clock = Clock()
    made: list[tuple[int, int]] = []
    timers = [clock.after(delay, partial(_note, made, clock, index)) for index, delay in enumerate(delays)]
    clock.advance(end)
    assert made == [(d, i) for d, i in sorted((d, i) for i, d in enumerate(delays)) if d <= end]
    assert clock.now == end
    assert [timer.due for timer in timers] == [None if d <= end else d for d in delays]


@given(st.lists(st.tuples(st.sampled_from(["after", "every", "cancel", "run"]), st.integers(1, 9)), max_size=60))
def test_a_clock_does_as_a_list_of_timers_does(steps: list[tuple[str, int]]) -> None:
    """A heap that drops cancelled timers late makes the calls that a search of all timers for the next one makes."""
    clock = Clock()
    made: list[tuple[int, int]] = []
    expected: list[tuple[int, int]] = []
    timers: list[Timer] = []
    model: list[list[int | None]] = []  # due, period
    for what, number in steps:
        if what in ("after", "every"):
            make = clock.after if what == "after" else clock.every
            timers.append(make(number, partial(_note, made, clock, len(timers))))
            model.append([clock.now + number, number if what == "every" else None])
        elif what == "cancel" and timers:
            timers[number % len(timers)].cancel()
            model[number % len(timers)][0] = None
        elif what == "run":
            end = clock.now + number
            clock.run_for(number)
            while due := [(row[0], i) for i, row in enumerate(model) if row[0] is not None and row[0] <= end]:
                time, index = min(due)
                expected.append((time, index))
                period = model[index][1]
                model[index][0] = None if period is None else time + period
        dues = [row[0] for row in model if row[0] is not None]
        assert [timer.due for timer in timers] == [row[0] for row in model]
        assert clock.next_due == min(dues, default=None)
    assert made == expected


def test_a_call_made_by_a_call_is_on_the_way() -> None:
    """A call may ask for another, also at its own time; both are made within the same advance."""
    clock = Clock()
    times: list[int] = []

    def first() -> None:
        times.append(clock.now)
        clock.after(0, lambda: times.append(clock.now))
        clock.after(5, lambda: times.append(clock.now))

    clock.after(10, first)
    clock.run_for(15)
    assert times == [10, 10, 15]


def test_a_call_may_cancel_its_own_timer_and_others() -> None:
    """A timer that was cancelled makes no call, also when both were due at the same time."""
    clock = Clock()
    made: list[str] = []

    def stop() -> None:
        made.append("stop")
        again.cancel()
        other.cancel()

    again = clock.every(10, stop)
    other = clock.after(10, lambda: made.append("other"))
    clock.run_for(100)
    assert made == ["stop"]
    assert again.due is other.due is clock.next_due is None
    again.cancel()
    assert repr(again) == "<Timer: not due>"


def test_cancelled_timers_take_no_memory() -> None:
    """A watchdog that is fed a thousand times leaves no thousand timers behind."""
    clock = Clock()
    for _ in range(1000):
        clock.after(seconds(1), print).cancel()
    assert len(clock._heap) < 200
    assert clock.next_due is None


@pytest.mark.parametrize(
    "again",
    [
        lambda clock: clock.advance(100),
        lambda clock: clock.run_for(0),
        lambda clock: clock.run_until(lambda: True),
        lambda clock: clock.advance_to_next(),
    ],
)
def test_a_call_must_not_advance_the_clock(again: Callable[[Clock], object]) -> None:
    """The refusal comes out of the outer advance, and the clock can continue after it."""
    clock = Clock()
    made: list[int] = []
    clock.after(7, lambda: again(clock))
    clock.after(9, lambda: made.append(clock.now))
    with pytest.raises(ClockError, match="is being advanced already, and is at a call due at 7 ns"):
        clock.advance(50)
    assert clock.now == 7
    clock.advance(50)
    assert (made, clock.now) == ([9], 50)


def test_an_exception_leaves_the_rest_due() -> None:
    """The time is that of the call which failed; later calls, and the next of the same timer, are still to come."""
    clock = Clock()
    made: list[int] = []

    def fail() -> None:
        made.append(clock.now)
        if len(made) == 1:
            raise KeyError("model")

    clock.every(5, fail)
    clock.after(5, lambda: made.append(-1))
    with pytest.raises(KeyError, match="model"):
        clock.advance(12)
    assert (clock.now, clock.next_due) == (5, 5)
    clock.advance(12)
    assert made == [5, -1, 10]


def test_run_until() -> None:
    """It stops right after the call that makes the condition true, and asks before the first."""
    clock = Clock()
    made: list[int] = []
    clock.every(10, lambda: made.append(clock.now))
    assert clock.run_until(lambda: True) == 0
    assert clock.run_until(lambda: len(made) == 3, limit=30) == 30
    assert made == [10, 20, 30]


def test_run_until_nothing_is_left() -> None:
    """Waiting for what cannot come is an error at once, and the time is that of the last call."""
    clock = Clock()
    clock.after(4, lambda: None)
    with pytest.raises(ClockError, match=r"^nothing is due after 4 ns, and the condition does not hold"):
        clock.run_until(lambda: False)


def test_run_until_the_limit() -> None:
    """The limit counts from the start; the time is then the limit, and what is due later stays so."""
    clock = Clock()
    clock.advance(100)
    clock.every(10, lambda: None)
    with pytest.raises(
        ClockError, match=r"does not hold at 125 ns, 25 ns \(the limit\) after the start at 100 ns; .*130"
    ):
        clock.run_until(lambda: False, limit=25)
    assert (clock.now, clock.next_due) == (125, 130)


def test_advance_to_next() -> None:
    """All calls of the next time are made; with none due the time stays."""
    clock = Clock()
    made: list[int] = []
    assert not clock.advance_to_next()
    for delay in (5, 5, 6):
        clock.after(delay, lambda: made.append(clock.now))
    assert clock.advance_to_next()
    assert (made, clock.now) == ([5, 5], 5)


def test_an_access_takes_time_from_the_program_only() -> None:
    """`per_access` passes with each access, calls on the way included; a model's own access takes none."""
    clock = Clock(per_access=10)
    made: list[int] = []

    def access_too() -> None:
        clock.access()
        made.append(clock.now)

    clock.after(15, access_too)
    for _ in range(3):
        clock.access()
    assert (made, clock.now) == ([15], 30)
    clock.after(10, access_too)
    clock.access()
    assert (made, clock.now) == ([15, 40], 40)
    free = Clock()
    free.access()
    assert free.now == 0


def test_calls_that_make_each_other_for_ever() -> None:
    """Time that cannot continue is an error, and no endless loop."""
    clock = Clock()

    def again() -> None:
        clock.after(0, again)

    clock.after(3, again)
    with pytest.raises(ClockError, match=f"^{STORM} calls at 3 ns, and there are more"):
        clock.advance(10)
    assert clock.next_due == 3


@pytest.mark.parametrize("junk", [True, 1.5, "1", None])
def test_no_ints(junk: Any) -> None:
    """A time is an int: no bool, no float."""
    clock = Clock()
    for call in (
        lambda: Clock(per_access=junk),
        lambda: clock.after(junk, print),
        lambda: clock.every(junk, print),
        lambda: clock.advance(junk),
        lambda: clock.run_for(junk),
        lambda: us(junk),
        lambda: ms(junk),
        lambda: seconds(junk),
    ):
        with pytest.raises(TypeError, match="is an int, not"):
            call()


def test_what_is_refused() -> None:
    """Negative delays, times that have passed, a period of nothing, calls that are none."""
    clock = Clock()
    clock.advance(10)
    with pytest.raises(ValueError, match=r"^delay is an int, from 0 up, not -1$"):
        clock.after(-1, print)
    with pytest.raises(ValueError, match=r"^period is an int, from 1 up, not 0$"):
        clock.every(0, print)
    with pytest.raises(ValueError, match=r"^to is a time from now on, 10 ns, not 9 ns: a clock does not go back$"):
        clock.advance(9)
    with pytest.raises(ValueError, match="duration"):
        clock.run_for(-1)
    with pytest.raises(ValueError, match="limit"):
        clock.run_until(lambda: True, limit=-1)
    with pytest.raises(TypeError, match=r"^call is a function without arguments, not 5$"):
        clock.after(1, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^condition is a function without arguments, not True$"):
        clock.run_until(True)  # type: ignore[arg-type]
    assert (clock.now, clock.next_due) == (10, None)


def test_it_says_where_it_is() -> None:
    """Clock and timers print their times."""
    clock = Clock()
    assert repr(clock) == "<Clock: 0 ns, nothing is due>"
    assert repr(clock.every(5, print)) == "<Timer: due at 5 ns, every 5 ns>"
    assert repr(clock) == "<Clock: 0 ns, next call at 5 ns>"
