"""Errors in register descriptions."""

from os import PathLike, fspath

from mmio.errors import MmioError


class DescriptionError(MmioError, ValueError):
    """A register description cannot be read, or does not describe a valid device: `path` and `problems`.

    Each problem is a line of the message that says where, as `file:line:column`, as far as that is known.
    """

    def __init__(self, path: str | PathLike[str], *problems: str) -> None:
        super().__init__(path, *problems)
        self.path = fspath(path)
        self.problems = problems

    def __str__(self) -> str:
        first, *more = self.problems or ("unreadable",)
        lines = [first if first.startswith(f"{self.path}:") else f"{self.path}: {first}", *more]
        return "\n  ".join(lines)


class DescriptionWarning(UserWarning):
    """A description contains something that a `Device` cannot declare and that its code must implement."""
