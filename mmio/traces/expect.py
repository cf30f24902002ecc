"""Expected accesses of a driver, as lines in a test.

A line is how a datasheet's programming example would read: `W4 CTRL=0x1`, then `R4 STATUS`. Direction and width are
exact, because a driver that gets them wrong is wrong; a value is compared where one is given, because what a
device answered is often not the driver's doing. A place goes by any name it has, so that a test need not know
where a region lies.

A list of single accesses that fails is shown as a diff. Where lines say how often, in which order and what never, there
is no one list to compare with: then the message is the way that came furthest, and what might have come there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from mmio.arguments import shortened
from mmio.pictures.columns import Column, aligned
from mmio.pictures.table import Resolver
from mmio.records.access import Access
from mmio.records.printable import encodable
from mmio.traces.expected import Expected, check_accesses, notation, places
from mmio.traces.grammar import AnyOrder, Count, Gap, Group, Item, Source, Step, parse
from mmio.traces.known import Known
from mmio.traces.listing import diff_lines
from mmio.traces.matching import Automaton, Edge, Outcome, Taken, TooLarge, assigned
from mmio.traces.naming import cut_of, names, warn_of_cut

SHOWN: Final = 8  # lines of a failed match before the difference, and accesses after it

_COLUMNS: Final = (Column(""), Column("expected"), Column("access", right=True), Column("done"), Column(""))


def assert_accesses(accesses: Sequence[Access], expected: Sequence[str]) -> None:
    """Demand that a trace is exactly what the lines say.

        assert_accesses(mapping.trace, ["W4 CTRL.UP=1", "R4 STATUS *", "R4 STATUS.LINK=1", "…", "never W4 CTRL.UP=0"])

    A line is direction (R, W, or RW for an atomic) and width in bytes, a place, and a value in any base where it
    matters. A place is a register ("CTRL" or "timer.CTRL"), a field of one ("CTRL.UP"), an offset ("+0x10" or
    "timer+0x10"), an address ("0xfe000000") or a port ("port 0x71"). How often, in any order and never are in
    docs/expectations.md.

    Raises:
        AssertionError: something is missing, added or different; the message shows where, as a diff, and which
            instruction made what was not expected: by name if the trace knows names, as in
            `mmio.Trace(locate=mmio.Symbols().locate)`.
        ExpectationError: a line is not in this form, or of a register or field that the trace's devices have not got.
            It is a ValueError.
        TypeError: these are no accesses, or no lines.
    """
    __tracebackhide__ = True  # pytest then points at the test
    if isinstance(expected, str):
        raise TypeError(f"expected is a list of lines, not one: [{shortened(expected)}]")
    check_accesses("accesses", accesses)
    ask = cache(lambda: Known.of(accesses))
    items = parse(expected, ask)
    wanted = [item.expected for item in items if isinstance(item, Step) and item.count == Count()]
    warn_of_cut(accesses, stacklevel=2)
    plain = len(wanted) == len(items)
    if plain and len(wanted) == len(accesses) and all(map(Expected.matches, wanted, accesses)):
        return
    outcome = None
    if not plain:
        try:
            outcome = Automaton(items).run(list(accesses) if any(_orders(items)) else accesses)
        except TooLarge as error:
            raise items[0].source.error(str(error)) from None
    _check_names(items, accesses, ask)
    if outcome is not None and outcome.matched:
        return
    made = list(accesses)
    cut = cut_of(accesses)
    incomplete = "" if cut is None else f"; {cut}"
    resolve = names(accesses)
    if outcome is None:
        lines = "\n".join(map(encodable, _diff(made, wanted, [item.source.text for item in items], resolve)))
        count = f"{len(wanted)} access{'es' * (len(wanted) != 1)}"
        raise AssertionError(f"expected {count} (-), the driver made {len(made)} (+){incomplete}\n{lines}")
    raise AssertionError(encodable(_story(outcome, items, made, resolve, incomplete)))


def _check_names(items: Iterable[Item], accesses: Sequence[Access], ask: Callable[[], Known]) -> None:
    """Refuse an expectation of what no device of the trace has: it would be met, or missed, for a wrong reason."""
    __tracebackhide__ = True
    touched = set[str]().union(*set(map(places, accesses)))
    for expected, source in dict(_expectations(items)).items():
        if expected.is_number or (expected.place in touched and not isinstance(expected.value, str)):
            continue
        start = source.text.index(expected.place)
        known = ask()
        problem = known.missing(expected.place) or known.wrong_value(expected.place, expected.value)
        if problem:
            raise source.error(problem, start)


def _orders(items: Iterable[Item]) -> Iterator[AnyOrder]:
    for item in items:
        if isinstance(item, AnyOrder):
            yield item
        elif isinstance(item, Group):
            yield from _orders(item.items)


def _expectations(items: Iterable[Item]) -> Iterator[tuple[Expected, Source]]:
    for item in items:
        if isinstance(item, Group):
            yield from _expectations(item.items)
        elif isinstance(item, AnyOrder):
            yield from ((step.expected, step.source) for step in item.steps)
        elif not isinstance(item, Gap):
            yield item.expected, item.source


def _story(outcome: Outcome, items: Sequence[Item], made: Sequence[Access], resolve: Resolver, incomplete: str) -> str:
    """Return what matched, and the first thing that did not, as a table."""
    several = len({access.region for access in made}) > 1

    def done(access: Access) -> str:
        return notation(access, region=several)

    def by(access: Access) -> str:
        return " ".join(filter(None, (access.fields and f"({access.fields})", made_by(access, resolve).strip())))

    rows = [row for taken in outcome.path for row in _matched(taken, made, done)]
    if len(rows) > SHOWN:
        rows[: len(rows) - SHOWN] = [("", f"… {len(rows) - SHOWN:,} lines as expected", "", "", "")]
    stopped = outcome.stopped
    if outcome.broken is not None:
        rows.append(("-", outcome.broken.source.text, "", "", ""))
        problem = f"access {stopped} is {done(made[stopped])}, which must not come: {outcome.broken.source.text}"
    else:
        partial = _partial(outcome.wanted, made[stopped:])
        wanted = [edge.item.source.text for edge in outcome.wanted]
        rows += [("-", text, "", "", "") for text in wanted or ["the end"]]
        came = (
            f"access {stopped} is {done(made[stopped])}" if stopped < len(made) else f"the trace ends after {stopped}"
        )
        problem = f"{came}; expected {' or '.join(wanted) or 'the end'}{partial}"
    following = made[stopped : stopped + SHOWN]
    rows += [("+" if n == 0 else "", "", str(stopped + n), done(a), by(a)) for n, a in enumerate(following)]
    if len(made) > stopped + SHOWN:
        rows.append(("", "", "", f"… {len(made) - stopped - SHOWN:,} more", ""))
    return f"{problem}{incomplete}\n{aligned(_COLUMNS, rows)}"


def _matched(taken: Taken, made: Sequence[Access], done: Callable[[Access], str]) -> Iterator[tuple[str, ...]]:
    """The rows of an item that has been matched: its first access and its last."""
    text = taken.item.source.text
    count = taken.end - taken.start
    if isinstance(taken.item, AnyOrder):
        steps = assigned(taken.item, made[taken.start : taken.end])
        for number, step in zip(range(taken.start, taken.end), steps, strict=True):
            yield "", taken.item.steps[step or 0].source.text, str(number), done(made[number]), ""
        return
    yield "", text, str(taken.start), done(made[taken.start]), ""
    if count > 2:
        yield "", "", "", f"… {count - 2:,} more", ""
    if count > 1:
        yield "", "", str(taken.end - 1), done(made[taken.end - 1]), ""


def _partial(wanted: Sequence[Edge], rest: Sequence[Access]) -> str:
    """Return how far the accesses fit something in any order that has begun."""
    for edge in wanted:
        if isinstance(edge.item, AnyOrder):
            steps = assigned(edge.item, rest[: edge.item.length])
            fitting = steps.index(None) if None in steps else len(steps)
            if fitting:
                left = [*(step.source.text for step in edge.item.steps for _ in range(step.count.least))]
                for step in steps[:fitting]:
                    assert step is not None
                    left.remove(edge.item.steps[step].source.text)
                return f", of which {fitting} came and {', '.join(left)} did not"
    return ""


def _diff(made: list[Access], wanted: Sequence[Expected], lines: Sequence[str], resolve: Resolver) -> Iterator[str]:
    """The lines of a diff, with some equal accesses around each difference."""
    numbers: dict[Expected, int] = {}
    keys = [numbers.setdefault(line, len(numbers)) for line in wanted]
    # An access is known by the line it matches: the one in its own place if it can be, else the first.
    own = [
        keys[i] if i < len(wanted) and wanted[i].matches(access) else _first(numbers, access)
        for i, access in enumerate(made)
    ]
    several = len({access.region for access in made}) > 1

    def done(index: int) -> str:
        return notation(made[index], region=several)

    return diff_lines(keys, own, lines.__getitem__, lambda index: f"{done(index)}{made_by(made[index], resolve)}", done)


def made_by(access: Access, resolve: Resolver) -> str:
    """Return the instruction that made an access, as far as is known."""
    return (f"    at {resolve(access.ip)}" if access.ip else "") + (f": {access.text}" if access.text else "")


def _first(numbers: dict[Expected, int], access: Access) -> int:
    return next((number for line, number in numbers.items() if line.matches(access)), -1)
