"""The events that advance a clock, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import AddressSpace, Clock, Device, register, us
from mmio.device.time_policy import FORMS, HostTime, PerAccess, PerPoll, Still, TimePolicy, time_policy

POLICIES = st.one_of(
    st.just(Still()),
    st.builds(PerAccess, st.integers(1, 10**17)),
    st.builds(PerPoll, st.integers(1, 10**17)),
    st.builds(HostTime, st.integers(1, 10**5).map(float)),
)


class Card(Device):
    """A card that is ready some time after it is started."""

    ctrl = register(0x00)
    stat = register(0x04)

    @ctrl.written
    def _start(self, old: int, new: int) -> None:
        self.clock.after(us(5), lambda: setattr(self.stat, "value", 1))


def _space(clock: Clock) -> tuple[Card, Any]:
    card = Card()
    card.clock = clock
    space = AddressSpace()
    space.map(0x1000, 0x100, card)
    return card, space


@given(POLICIES)
def test_the_text_of_a_policy_is_the_policy(policy: TimePolicy) -> None:
    """A policy printed and read again is the same one."""
    assert time_policy(str(policy)) == policy == time_policy(policy)


def test_every_documented_form_is_read() -> None:
    """Each form of the list is one that can be given."""
    for form, _ in FORMS:
        time_policy(form.replace("DURATION", "3us").replace("FACTOR", "2.5"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("acces:1ns", "there is no time policy 'acces:1ns'; expected one of still, access:DURATION, poll"),
        ("still:1ns", "there is no time policy"),
        ("access:0ns", "expected a duration above 0"),
        ("access:-5ns", "expected a duration above 0 with its unit, ns, us, ms or s, as 100ns, got '-5ns'"),
        ("access:5", "with its unit"),
        ("poll", "expected a duration above 0"),
        ("host:0", "expected a factor above 0, as host:10, got '0'"),
        ("host:-1", "expected a factor above 0"),
        ("host:nan", "expected a factor above 0"),
    ],
)
def test_a_policy_that_is_none_is_refused(text: str, problem: str) -> None:
    """The message says what was expected and what came."""
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        Clock(policy=text)


@given(st.text(max_size=12))
def test_any_text_is_a_policy_or_a_value_error(text: str) -> None:
    """No text raises anything else, and what is taken is printed as it can be read."""
    try:
        policy = time_policy(text)
    except ValueError:
        return
    assert time_policy(str(policy)) == policy


def test_arguments_of_policies_are_checked() -> None:
    """A time that is negative, or no number, is refused where it is given."""
    for call in (lambda: PerAccess(0), lambda: PerPoll(-1), lambda: HostTime(0), lambda: HostTime(float("inf"))):
        with pytest.raises(ValueError, match="not "):
            call()
    for wrong in (lambda: PerAccess(1.5), lambda: HostTime(True), lambda: Clock(policy=3)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="not "):
            wrong()
    with pytest.raises(ValueError, match="give per_access or a policy, not both"):
        Clock(5, policy="still")


def test_each_access_takes_its_time_before_the_device_answers() -> None:
    """With a time per access, reads and writes on the bus move the clock, and calls of the test do not."""
    card, space = _space(Clock(policy=PerAccess(us(1))))
    space.write(0x1000, 4, 1)
    assert card.clock.now == us(1)
    assert [space.read(0x1004, 4) for _ in range(6)] == [0, 0, 0, 0, 1, 1]
    assert (card.clock.now, card.read(4, 4)) == (us(7), 1)
    assert card.clock.now == us(7)


def test_only_polls_take_time() -> None:
    """With a time per poll, it is a read of the same register with the same value that takes it, and no other."""
    card, space = _space(Clock(policy="poll:1us"))
    space.write(0x1000, 4, 1)
    space.read(0x1004, 4)
    space.read(0x1000, 4)
    assert card.clock.now == 0
    space.read(0x1004, 4)
    assert card.clock.now == us(1)
    space.write(0x1000, 4, 1)
    space.read(0x1004, 4)
    assert card.clock.now == us(1)
    reads = 1
    while not space.read(0x1004, 4):
        reads += 1
    assert (reads, card.clock.now) == (5, us(5))


def test_the_hosts_clock_is_followed() -> None:
    """With the host's clock, time never goes back, and continues as fast as the factor says."""
    card, space = _space(Clock(policy=HostTime(1e6)))
    times = []
    for _ in range(50):
        space.read(0x1004, 4)
        times.append(card.clock.now)
    assert times == sorted(times)
    assert times[-1] > times[0] > 0


def test_a_device_whose_clock_stands_still_is_mapped_as_it_is() -> None:
    """No wrapper is in the path of an access that moves no clock."""
    card = Card()
    assert AddressSpace().map(0, 0x100, card).device is card
    card.clock = Clock()
    assert AddressSpace().map(0, 0x100, card).device is card
    card.clock = Clock(5)
    region = AddressSpace().map(0, 0x100, card)
    assert region.device is not card
    device: Any = region.device
    assert (region.name, device.name_at(4, 4)) == ("Card", "STAT")


def test_holes_are_those_of_the_device() -> None:
    """A wrapped device has the registers that it has, and the policy of its mapping answers for the others."""
    for policy in ("access:1ns", "poll:1ns", "host"):
        card = Card()
        card.clock = Clock(policy=policy)
        space = AddressSpace()
        space.map(0, 0x100, card, unmapped="ones")
        assert space.read(0x40, 4) == 0xFFFFFFFF
        space.write(0x40, 4, 1)
