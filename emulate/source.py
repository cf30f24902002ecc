"""Source text of a compiled instruction: its parameters, and the lines that commit its results."""

from typing import Any

from attrs import frozen


@frozen(slots=True)
class Source:
    """A function written down.

    Attributes:
        body: its lines.
        constants: integer parameters and their defaults, which come after `cpu` and `bus`.
        objects: parameters that are Python objects, with the objects, which come last.
    """

    body: str
    constants: dict[str, int]
    objects: dict[str, Any]

    @property
    def text(self) -> str:
        """The text without the defaults: that of every function that does the same to other registers and places."""
        return f"def run({', '.join(('cpu', 'bus', *self.constants, *self.objects))}):\n{self.body}"

    def __str__(self) -> str:
        constants = [f"{name}={value:#x}" for name, value in self.constants.items()]
        objects = [f"{name}={name}" for name in self.objects]
        return f"def run({', '.join(('cpu', 'bus', *constants, *objects))}):\n{self.body}"


def commit_lines(words: dict[str, str]) -> list[str]:
    """Return the register writes: one by one, or as one tuple where a later value still needs an earlier word."""
    targets = list(words)
    for position, expression in enumerate(words.values()):
        if any(earlier in expression for earlier in targets[:position]):
            return [f"{', '.join(targets)} = {', '.join(words.values())}"]
    return [f"{target} = {expression}" for target, expression in words.items()]
