"""Result of a check: counts, and an example of each violated rule."""

from collections.abc import Iterator

from attrs import define, field, frozen


@frozen(slots=True)
class Failure:
    """A law that does not hold.

    Attributes:
        law: which, as a sentence.
        example: what was done, what was expected and what came.
    """

    law: str
    example: str

    def __str__(self) -> str:
        return f"{self.law}\n    " + self.example.replace("\n", "\n    ")


@define(slots=True)
class Report:
    """The result of a check; true when nothing failed.

    Attributes:
        checked: cases or accesses that were compared.
        skipped: cases that were refused.
        unjudged: cases that need CPU features which what is checked does not have.
        failures: what failed, all of it.
    """

    checked: int = 0
    skipped: int = 0
    unjudged: int = 0
    failures: list[Failure] = field(factory=list)

    def expect(self, law: str, holds: bool, example: str) -> None:
        """Count one comparison."""
        self.checked += 1
        if not holds:
            self.failures.append(Failure(law, example))

    def __bool__(self) -> bool:
        return not self.failures

    def __iter__(self) -> Iterator[Failure]:
        return iter(self.failures)

    def __str__(self) -> str:
        """The counts, and the first example of each law that failed."""
        first: dict[str, Failure] = {}
        for failure in self.failures:
            first.setdefault(failure.law, failure)
        counts = f"{self.checked} checked, {self.skipped} skipped, {len(self.failures)} failed"
        if self.unjudged:
            counts += f", {self.unjudged} not judged for want of CPU features"
        return "\n".join([counts, *map(str, first.values())])
