"""One mistake, as a value."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from attrs import field, frozen

_MASKS: Final = (
    (r"0x[0-9a-f]{10,16}\b", "0x7f…"),  # an address of this process, or of a traced one
    (r"\bprocess (?!4194305)\d+", "process 4711"),
    (r"\(it is \d\)", "(it is 1)"),  # yama's ptrace_scope
    (r"(?m)^/bin/sh: .*\n", ""),  # each shell has words of its own
    (r"\[Makefile:\d+: ", "[Makefile: "),
    (r"\[Makefile: venv/", "[Makefile: .venv/"),
)


@frozen
class Mistake:
    """A mistake, the message that it gets, and the remedy.

    Attributes:
        did: the cause, in a sentence.
        typed: the program or command that makes the mistake; it is executed.
        says: parts of the message: what was expected, what came, where, and what to do next.
        language: of `typed`: Python runs as a program of its own, sh in a shell; both in the workshop.
        remark: a note below the message.
        remedy: what to do, in a few words; Markdown.
        symptom: what the user observes, for mistakes that are not found by their message.
        setup: prepares the files that `typed` needs, in the workshop.
        under: a command that runs `typed`, such as one that drops privileges.
    """

    did: str
    typed: str
    says: tuple[str, ...]
    language: Literal["python", "sh"] = "python"
    remark: str = ""
    setup: Callable[[Path], object] | None = None
    under: tuple[str, ...] = ()
    remedy: str = field(default="", kw_only=True)
    symptom: str = field(default="", kw_only=True)

    @property
    def heading(self) -> str:
        """The heading of its entry."""
        return self.did.rstrip(".")

    @property
    def name(self) -> str:
        """The name of its test."""
        return re.sub(r"[^a-z0-9]+", "-", self.did.lower()).strip("-")


def masked(message: str, workshop: Path) -> str:
    """Return a message without what differs from run to run."""
    message = message.replace(f"{workshop}/", "").replace(str(workshop), ".")
    for pattern, text in _MASKS:
        message = re.sub(pattern, text, message)
    return message
