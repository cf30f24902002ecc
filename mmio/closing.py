"""The `with` statement of everything that has a `close`."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Base of a context manager that is closed at the end of its `with` statement, whatever happened in it."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Release what is held; more calls do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
