"""Time policies: how a clock advances without being called.

A policy is data. The clock has one, and a device on the bus is wrapped as the policy wants it (`timed.py`), or not at
all: with `Still` an access costs what it costs without a clock.
"""

import math
import re
from typing import Final, TypeAlias

from attrs import frozen

from mmio.arguments import integer, shortened
from mmio.device.durations import duration

_SCALE: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)

FORMS: Final = (
    ("still", "nothing: only sleeps of the program and calls of the test"),
    ("access:DURATION", "each access to a device, as access:100ns"),
    ("poll:DURATION", "each poll seen: a register read again, with the same value, and nothing written since"),
    ("host", "the host's clock; such a run cannot be repeated exactly"),
    ("host:FACTOR", "the host's clock, so many times as fast, as host:10"),
)
"""Every form of a policy as text, and what advances the clock."""


@frozen
class Still:
    """Nothing advances the clock but `advance` and its like."""

    def __str__(self) -> str:
        return "still"


@frozen
class PerAccess:
    """Each access to a device takes some time, which has passed when the device answers.

    Attributes:
        duration: in ns, from 1.
    """

    duration: int

    def __attrs_post_init__(self) -> None:
        integer("duration", self.duration, least=1)

    def __str__(self) -> str:
        return f"access:{self.duration}ns"


@frozen
class PerPoll:
    """Each poll seen takes some time: a register read again with the same value, nothing having been written since.

    The time passes after the read, so that the next one may find what it waits for.

    Attributes:
        duration: in ns, from 1.
    """

    duration: int

    def __attrs_post_init__(self) -> None:
        integer("duration", self.duration, least=1)

    def __str__(self) -> str:
        return f"poll:{self.duration}ns"


@frozen
class HostTime:
    """The clock follows the host's monotonic clock, as each access to a device finds it. Not repeatable.

    Attributes:
        factor: how many times as fast, above 0.
    """

    factor: float = 1.0

    def __attrs_post_init__(self) -> None:
        factor = self.factor
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise TypeError(f"factor is a number, not {shortened(factor)}")
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"factor is a number above 0, not {shortened(factor)}: a clock does not go back")

    def __str__(self) -> str:
        return f"host:{self.factor:g}"


TimePolicy: TypeAlias = Still | PerAccess | PerPoll | HostTime


def time_policy(given: object) -> TimePolicy:
    """Return a policy, which may be given as text: "still", "access:100ns", "poll:1us", "host", "host:10".

    Args:
        given: the policy, or its text.

    Raises:
        TypeError: it is neither.
        ValueError: there is no such policy, or no such duration or factor.
    """
    if isinstance(given, Still | PerAccess | PerPoll | HostTime):
        return given
    if not isinstance(given, str):
        raise TypeError(f"a time policy is a text such as 'access:100ns', or a PerAccess, not {shortened(given)}")
    name, colon, value = given.partition(":")
    match name:
        case "still" if not colon:
            return Still()
        case "access":
            return PerAccess(duration(value, f"time policy {shortened(given)}"))
        case "poll":
            return PerPoll(duration(value, f"time policy {shortened(given)}"))
        case "host":
            if not colon:
                return HostTime()
            if not _SCALE.fullmatch(value) or not float(value):
                raise ValueError(
                    f"time policy {shortened(given)}: expected a factor above 0, as host:10, got {value!r}"
                )
            return HostTime(float(value))
    forms = ", ".join(form for form, _ in FORMS)
    raise ValueError(f"there is no time policy {shortened(given)}; expected one of {forms}")
