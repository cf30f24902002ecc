"""Alarms: one call to come, moved, dropped, put back."""

from mmio.device.clock import Clock
from mmio.device.device import Device
from mmio.models.alarm import Alarm


def test_it_rings_once_at_its_time() -> None:
    """The call is made when its time has come, and not again."""
    device = Device()
    calls: list[int] = []
    alarm = Alarm(device, lambda: calls.append(device.clock.now))
    alarm.set(100)
    assert (alarm.pending, alarm.left) == (True, 100)
    device.clock.run_for(500)
    assert (calls, alarm.pending, alarm.left) == ([100], False, None)


def test_the_last_setting_counts() -> None:
    """An alarm that is set again does not ring at its old time."""
    device = Device()
    calls: list[int] = []
    alarm = Alarm(device, lambda: calls.append(device.clock.now))
    alarm.set(100)
    alarm.set(300)
    device.clock.run_for(1000)
    assert calls == [300]


def test_it_may_be_set_from_its_own_call() -> None:
    """A call that sets the alarm is called again."""
    device = Device()
    calls: list[int] = []

    def call() -> None:
        calls.append(device.clock.now)
        if len(calls) < 3:
            alarm.set(10)

    alarm = Alarm(device, call)
    alarm.set(10)
    device.clock.run_for(100)
    assert calls == [10, 20, 30]


def test_what_is_left_is_put_back() -> None:
    """`left` is enough to continue with, also where the clock is another one."""
    device = Device()
    calls: list[int] = []
    alarm = Alarm(device, lambda: calls.append(device.clock.now))
    alarm.set(100)
    device.clock.run_for(30)
    left = alarm.left
    assert left == 70
    alarm.restore(None)
    assert not alarm.pending
    device.clock.run_for(1000)
    alarm.restore(left)
    device.clock.run_for(1000)
    assert calls == [1100]


def test_it_goes_on_in_an_assigned_clock() -> None:
    """A clock that is assigned takes over what is pending."""
    device = Device()
    calls: list[str] = []
    alarm = Alarm(device, lambda: calls.append("rung"))
    alarm.set(100)
    device.clock = clock = Clock()
    clock.run_for(50)
    assert alarm.left == 50
    clock.run_for(50)
    assert calls == ["rung"]
