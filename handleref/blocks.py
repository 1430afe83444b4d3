"""Blocks that can be entered with ``with``, ``async with`` and as a decorator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


class Block(ABC):
    """A block of code for whose length something holds, in this thread or task only.

    What holds belongs into a context variable and not into the object: a decorator
    enters the same object for every call.
    """

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *error: object) -> None: ...

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__(*error)

    def __call__(self, function: F) -> F:
        """Return a function that runs in the block, each call in one of its own.

        :raises TypeError: for a generator, of which a call is but the beginning.
        """
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: open the block inside of it.")

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        @wraps(function)
        async def acall(*args: Any, **kwargs: Any) -> Any:
            async with self:
                return await function(*args, **kwargs)

        return cast("F", acall if iscoroutinefunction(function) else call)
