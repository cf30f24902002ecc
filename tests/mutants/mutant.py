"""What a mutant is: one fault, and what is expected to notice it."""

from typing import Literal, TypeAlias

from attrs import frozen

Law: TypeAlias = Literal[
    "silicon",
    "log equals decode.accesses",
    "nothing changes when an access raises",
    "nothing changes at a fault",
    "finished elements stay",
    "rep in steps",
    "any order of registers",
    "indivisible updates",
    "order of accesses",
]


@frozen
class Fault:
    """One fault.

    Attributes:
        name: what is wrong, in words.
        module: where.
        old, new: what stands there, once, and what takes its place.
    """

    name: str
    module: str
    old: str
    new: str

    @property
    def path(self) -> str:
        """The module's file, from the top of the project."""
        return self.module.replace(".", "/") + ".py"


@frozen
class Mutant(Fault):
    """A fault of decode or emulate, which a law on generated cases notices.

    Attributes:
        law: the one expected to notice.
        operations: the mnemonics (string instructions without their width) to run the laws on.
    """

    law: Law
    operations: str


@frozen
class MmioMutant(Fault):
    """A fault of mmio, which tests notice.

    Attributes:
        tests: pytest's node ids below `tests/mmio`, with spaces between; one of these tests must fail. All cases of a
            test are run.
    """

    tests: str
