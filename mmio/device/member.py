"""Members that a device class declares in its body: registers, arrays, blocks, lines.

On the class such a name gives the declaration; on a device it gives the thing itself, made with the device. Plain
descriptors, so that type checkers know the difference too.
"""

from typing import Any, Generic, Never, NoReturn, Self, TypeVar, overload

T = TypeVar("T", covariant=True)


class Member(Generic[T]):
    """A declaration that stands for a `T` in every device of the class."""

    instead = ""  # what to do rather than assign to it

    def __init__(self, name: str | None) -> None:
        self.attribute = ""
        self._name = name

    @property
    def name(self) -> str:
        """The printed name; the attribute when none was given."""
        return self._name or self.attribute

    def __set_name__(self, owner: type, attribute: str) -> None:
        # Declared under two names it keeps the first, and the check of the class reports the second.
        self.attribute = self.attribute or attribute

    @overload
    def __get__(self, device: None, owner: type) -> Self: ...
    @overload
    def __get__(self, device: object, owner: type) -> T: ...
    def __get__(self, device: Any, owner: type) -> Self | T:
        if device is None:
            return self
        bound: T = device._device_bound[self.attribute]
        return bound

    def __set__(self, device: object, value: Never) -> NoReturn:
        what = f"{type(device).__name__}.{self.attribute}"
        raise AttributeError(f"{what} cannot be assigned: {self.instead.format(self.attribute)}")
