"""Reasons to leave a hosted program, raised by a handler and caught by the run loop."""

from mmio.hosted.elf_image import Command


class Exited(Exception):
    """Report that the program has ended by itself; `status` is its exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit status {status}")
        self.status = status


class ThreadExited(Exited):
    """Report that one thread of the program has ended."""


class Ending(Exception):
    """Report to a thread that the program ends."""


class Killed(Exception):
    """Report that a signal ends the program."""

    def __init__(self, number: int) -> None:
        super().__init__(f"killed by signal {number}")
        self.number = number


class Executed(Exception):
    """Report that the program executes another one (execve)."""

    def __init__(self, command: Command, environment: list[bytes]) -> None:
        super().__init__(command.name)
        self.command = command
        self.environment = environment
