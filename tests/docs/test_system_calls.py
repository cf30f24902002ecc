"""docs/system-calls.md lists what the tables do not help. `python -m tests.docs.test_system_calls` writes it."""

from collections.abc import Iterator
from pathlib import Path

from mmio.linux.syscall_exceptions import REASONS, UNDESCRIBED
from mmio.linux.syscall_table import NUMBERS, SIGNATURES

PAGE = Path(__file__).parents[2] / "docs" / "system-calls.md"

HEAD = """# System calls on trapped memory

The kernel cannot reach a trapped page. So a system call of a traced program that is given one is made with a copy,
which ends where the original ends and may be written where that may; result, errno and memory are those of a run
without pagetrap. What each call's arguments point to is described for all calls of both tables
(`mmio/linux/syscall_signatures.py`, `syscall_variants.py`); one that is newer gets a copy of a page, if the memory is
the program's own. This page lists the exceptions: there the kernel finds the trapped page itself, and usually says
EFAULT. Made by `python -m tests.docs.test_system_calls`.

"""


def kept() -> dict[str, tuple[str, list[int]]]:
    """Return the pointers that are not helped: by the call's name, the reason's name and the arguments."""
    found: dict[str, tuple[str, list[int]]] = {}
    for bits in (64, 32):
        for name, signature in SIGNATURES[bits].items():
            arguments = [i for i, part in enumerate(signature) if part is not None and part.kind == "kept"]
            if arguments:
                part = signature[arguments[0]]
                assert part is not None
                found.setdefault(name, (part.text, arguments))
    return found


def _lines() -> Iterator[str]:
    for bits in (64, 32):
        pointers = [name for name, signature in SIGNATURES[bits].items() if any(signature)]
        helped = [name for name in pointers if name not in kept()]
        count = len(NUMBERS[bits])
        yield f"- {count} {bits}-bit calls; {len(pointers)} take pointers, {len(helped)} of them are helped."
    yield ""
    yield "## Pointers that cannot be copied"
    yield ""
    yield "| call | arguments, from 0 | why |"
    yield "|---|---|---|"
    for name, (reason, arguments) in sorted(kept().items()):
        yield f"| `{name}` | {', '.join(map(str, arguments))} | {REASONS[reason]} |"
    yield ""
    yield "## Parts that are not described"
    yield ""
    yield "| call | what |"
    yield "|---|---|"
    for name, what in sorted(UNDESCRIBED.items()):
        yield f"| `{name}` | {what} |"


def page() -> str:
    """Return the page."""
    return HEAD + "\n".join(_lines()) + "\n"


def test_the_page_is_what_the_tables_say() -> None:
    """docs/system-calls.md is up to date."""
    assert PAGE.read_text() == page(), "run python -m tests.docs.test_system_calls"


def test_every_reason_is_used_and_every_call_is_one() -> None:
    """No reason and no undescribed call is left over."""
    assert set(REASONS) == {reason for reason, _ in kept().values()}
    assert set(UNDESCRIBED) <= set(NUMBERS[64]) | set(NUMBERS[32])


if __name__ == "__main__":
    PAGE.write_text(page())
