"""One mistake, as a value."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from attrs import frozen

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
    """What a newcomer did, and what they are told.

    Attributes:
        did: in a sentence.
        typed: what they did it with; it is executed as it stands.
        says: parts of the message: what was expected, what came, where, and what to do next.
        language: of `typed`: Python runs as a program of its own, sh in a shell; both in the workshop.
        remark: what else to know, such as what is right, where the message is another program's and cannot say it.
        setup: prepares what the text needs, in the workshop.
        under: a command that runs it, such as one that takes rights away.
    """

    did: str
    typed: str
    says: tuple[str, ...]
    language: Literal["python", "sh"] = "python"
    remark: str = ""
    setup: Callable[[Path], object] | None = None
    under: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the test is called."""
        return re.sub(r"[^a-z0-9]+", "-", self.did.lower()).strip("-")


def masked(message: str, workshop: Path) -> str:
    """Return a message without what differs from run to run."""
    message = message.replace(f"{workshop}/", "").replace(str(workshop), ".")
    for pattern, text in _MASKS:
        message = re.sub(pattern, text, message)
    return message
