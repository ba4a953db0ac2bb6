"""`@rayfaas.cls`: what turns a class into one that can be deployed, whose methods are called and whose state stays."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from rayfaas.declaration import Declaration, Options
from rayfaas.declared import Declared
from rayfaas.errors import BadRequest
from rayfaas.methods import enter_methods, is_bound_to_instances, public_methods
from rayfaas.names import check_method
from rayfaas.remote import Remote, RemoteFunction

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")


class Cls(Declared, Generic[T]):
    """A class of this program that can be deployed. Making an instance makes one here, and runs its `enter` methods.

    >>> @cls(timeout_s=10)
    ... class Model:
    ...     def __init__(self) -> None:
    ...         self.factor = 2
    ...     def double(self, x: int) -> int:
    ...         return self.factor * x
    >>> Model().double(3)
    6
    >>> Model.deploy().version  # doctest: +SKIP
    1
    >>> Model.double.remote(3)  # doctest: +SKIP
    6
    """

    def __init__(self, wrapped: type[T], declaration: Declaration) -> None:
        super().__init__(wrapped, declaration)
        self._methods = public_methods(wrapped)
        self._local = _local_class(wrapped, declaration.target, self._methods)

    @property
    def target(self) -> str:
        """How it is addressed: `[team/]name`."""
        return self._declaration.target

    def with_options(self, **options: Any) -> Remote:
        """The deployed class, called in another way: `Model.with_options(alias="staging").predict.remote("a text")`."""
        return Remote(self.target).with_options(**options)

    def __call__(self, /, *args: Any, **kwargs: Any) -> T:
        instance: T = self._local(*args, **kwargs)
        for name in enter_methods(self._wrapped):
            entered = getattr(instance, name)()
            if inspect.iscoroutine(entered):
                _run(entered, name)
        return instance

    def __getattr__(self, name: str) -> Any:
        """A method, as its callers have it; anything else is the class's own."""
        if name.startswith("__") or "_methods" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in self._methods and is_bound_to_instances(self._wrapped, name):
            return RemoteFunction(f"{self.target}.{name}")
        if name in self._methods:
            return LocalMethod(getattr(self._wrapped, name), f"{self.target}.{name}")
        return getattr(self._wrapped, name)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._wrapped)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type[T]]:
        return (self._wrapped,)

    def __repr__(self) -> str:
        return f"<rayfaas.Cls {self.target}>"


class LocalMethod(RemoteFunction[..., Any]):
    """A method of an instance that was made here, or one that needs none: called or `local` it runs here, `remote`
    where it is deployed."""

    def __init__(self, bound: Callable[..., Any], target: str) -> None:
        super().__init__(target)
        functools.update_wrapper(self, bound)
        self._bound = bound

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._bound(*args, **kwargs)

    def local(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run it here, in this process: the same as calling it."""
        return self._bound(*args, **kwargs)


class _Method:
    """Makes the attribute of a local instance a `LocalMethod`."""

    def __init__(self, name: str, target: str) -> None:
        self._name, self._target = name, target

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return getattr(owner.__mro__[1], self._name)
        return LocalMethod(getattr(super(owner, instance), self._name), f"{self._target}.{self._name}")


@overload
def cls(decorated: type[T], /) -> Cls[T]: ...
@overload
def cls(**options: Unpack[Options]) -> Callable[[type[T]], Cls[T]]: ...
def cls(decorated: Any = None, /, **options: Any) -> Any:
    """Declare that a class can be deployed: `@rayfaas.cls`, or `@rayfaas.cls(...)` with options.

    Each executor makes one instance, without arguments, and runs its `rayfaas.enter` methods; then callers call its
    public methods: `Model.predict`. The options are those of `rayfaas.function`.

    Raises `BadRequest` where an option is not valid, or the class can't be made without arguments.
    """
    if decorated is None:
        return lambda each: _declare(each, options)
    return _declare(decorated, options)


def _declare(decorated: Any, options: Mapping[str, Any]) -> Cls[Any]:
    if not inspect.isclass(decorated):
        raise BadRequest(
            f"@rayfaas.cls decorates classes, and {decorated!r} is none. Functions have @rayfaas.function."
        )
    name = decorated.__name__
    if needed := _needed_arguments(decorated):
        raise BadRequest(f"{name} is made without arguments where it is deployed, and asks for {', '.join(needed)}.")
    methods = public_methods(decorated)
    if not methods:
        raise BadRequest(f"{name} has no method that could be called: those that begin with _ are its own.")
    for method in methods:
        check_method(method)
    return Cls(decorated, Declaration.of(name, options, "cls"))


def _needed_arguments(decorated: type) -> list[str]:
    try:
        parameters = inspect.signature(decorated).parameters.values()
    except ValueError:  # one that is written in C does not say
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in optional]


def _local_class(wrapped: type, target: str, methods: list[str]) -> type:
    """Its instances are instances of the class; their public methods are `LocalMethod`s."""
    named = {"__module__": wrapped.__module__, "__qualname__": wrapped.__qualname__, "__doc__": wrapped.__doc__}
    return type(wrapped)(wrapped.__name__, (wrapped,), {**named, **{name: _Method(name, target) for name in methods}})


def _run(entered: Any, name: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(entered)
        return
    entered.close()
    raise BadRequest(f"{name} is async: make the instance where no event loop is running, or await it yourself.")
