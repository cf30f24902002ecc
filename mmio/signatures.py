"""Copy the signature of one method to others."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def arguments_of(
    method: Callable[[], Callable[Concatenate[Any, _Arguments], object]],
) -> Callable[[Callable[..., _Result]], Callable[Concatenate[Any, _Arguments], _Result]]:
    """Type a method as taking the arguments of another one. At run time it stays as it is.

    For protocols, and for methods that hand `*arguments` on without looking at each.

    Args:
        method: a lambda with the other method, `lambda: Trace.record`. Only the type checker looks into it, so the
            other class may be imported under `TYPE_CHECKING`, and nothing is loaded for the sake of a type.
    """
    return lambda function: function
