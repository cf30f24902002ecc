"""Why a hosted program is left: what a handler raises to come back to whoever has entered it."""

from mmio.hosted.elf_image import Command


class Exited(Exception):
    """Tell that the program has ended by itself; `status` is its exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit status {status}")
        self.status = status


class ThreadExited(Exited):
    """Tell that one thread of the program has ended."""


class Ending(Exception):
    """Tell a thread that the program ends."""


class Killed(Exception):
    """Tell that a signal ends the program."""

    def __init__(self, number: int) -> None:
        super().__init__(f"killed by signal {number}")
        self.number = number


class Executed(Exception):
    """Tell that the program becomes another one."""

    def __init__(self, command: Command, environment: list[bytes]) -> None:
        super().__init__(command.name)
        self.command = command
        self.environment = environment
