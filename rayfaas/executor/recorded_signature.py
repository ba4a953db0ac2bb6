"""Recording the arguments of a version's calls, where its spec asks for that: before the function begins, so that those
of a call that ends its process are there too.

Nothing of it is in the way of versions that do not ask: theirs is a plain `Signature`.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import msgspec

from rayfaas.envelope import ArgumentsHeader
from rayfaas.errors import ImportFailed
from rayfaas.executor import running
from rayfaas.executor.complaint import complain
from rayfaas.executor.preview import Preview
from rayfaas.executor.program import Program
from rayfaas.executor.running import RunningCall
from rayfaas.executor.signature import Signature
from rayfaas.redaction import Redactor
from rayfaas.wire import Arguments

# Of the arguments of one call, in characters: more are cut.
ROOM = 16 << 10

Wanted: TypeAlias = bool | Collection[str]
"""True: all arguments; names: those. False: none."""

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


def recorded(program: Program, wanted: Wanted, redactor: Redactor) -> Program:
    """The program whose calls tell their arguments. Raises `ImportFailed` where a name is no parameter's."""
    if not wanted:
        return program
    recorded = program.with_signatures(lambda signature: RecordedSignature(signature, wanted, redactor))
    signatures = [callee.signature for callee in recorded.callees.values()]
    unknown = [] if isinstance(wanted, bool) else [name for name in wanted if not any(s.has(name) for s in signatures)]
    if unknown:
        raise ImportFailed(f"record_arguments names {', '.join(unknown)}, and there is no such parameter.")
    return recorded


class RecordedSignature(Signature):
    """A signature that tells the gateway of each call what was bound."""

    def __init__(self, signature: Signature, wanted: Wanted, redactor: Redactor) -> None:
        vars(self).update(vars(signature))
        self._wanted, self._redactor = wanted, redactor

    def bind(self, arguments: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, kwargs = super().bind(arguments)
        call = running.current.get()
        if isinstance(call, RunningCall) and call.reaches_function:
            self._record(call, self._signature.bind(*args, **kwargs).arguments)
        return args, kwargs

    def _record(self, call: RunningCall, bound: Mapping[str, Any]) -> None:
        preview = Preview(self._redactor, ROOM)
        try:
            shown = self._shown(preview, bound)
        except Exception as error:  # noqa: BLE001 attributes of an argument may be code of the user: the call goes on
            complain(f"the arguments of a call can't be recorded: {type(error).__name__}")
            return
        is_whole = preview.is_whole and len(shown) == len(bound) and not self._has_places(bound)
        call.tell_arguments(ArgumentsHeader(is_whole, preview.is_cut), msgspec.json.encode(shown))

    def _shown(self, preview: Preview, bound: Mapping[str, Any]) -> dict[str, Any]:
        """What is wanted by its own name is shown whatever that name looks like."""
        if isinstance(self._wanted, bool):
            return preview.named(bound.items())
        return {name: preview.of(value) for name, value in bound.items() if name in self._wanted}

    def _has_places(self, bound: Mapping[str, Any]) -> bool:
        """Whether they can't all be given again by name."""
        kinds = {self._signature.parameters[name].kind for name in bound}
        return inspect.Parameter.VAR_KEYWORD in kinds or not kinds.isdisjoint(_BY_PLACE)
