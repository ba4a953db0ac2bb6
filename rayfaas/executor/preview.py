"""A value as JSON that people may read: secrets are left out, what has no JSON is described, what is long is cut."""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
import uuid
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

import msgspec
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from rayfaas.redaction import SHOWN, Redactor
from rayfaas.wire.file import File
from rayfaas.wire.kinds import kind_of

CUT = "…"
_DEEPEST = 32
_MOST_BITS = 256
# Of an element, besides its text: quotes, commas, brackets.
_EACH = 4

_SECRETS = (Secret, SecretStr, SecretBytes)
_WRITTEN = (datetime.date, datetime.time, datetime.timedelta, uuid.UUID, Decimal, PurePath)
_SECRETIVE = re.compile(r"passw(or)?d|passphrase|secret|credential|authorization|apikey|accesskey|privatekey|cookie")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SECRETIVE_WORDS = frozenset(("auth", "bearer", "jwt", "otp", "pin", "pwd", "token"))


class Preview:
    """Of one value after another, `room` characters for all of them. `is_whole`: nothing of them was left out or only
    described; `is_cut`: there was no room for some of it.

    >>> Preview(Redactor(["hunter22"]), 1000).of({"user": "ann", "password": "x", "note": "it is hunter22"})
    {'user': 'ann', 'password': '***', 'note': 'it is ***'}
    """

    def __init__(self, redactor: Redactor, room: int) -> None:
        self._redactor, self._left = redactor, room
        self.is_whole, self.is_cut = True, False

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= _EACH
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.of(value.value, depth)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int | float):
            return self._number(value)
        if isinstance(value, _WRITTEN):
            return self._text(str(value))
        if isinstance(value, _SECRETS):
            return self.hidden()
        return self._described(value) if depth >= _DEEPEST else self._nested(value, depth + 1)

    def hidden(self) -> str:
        """In the place of what is not to be shown."""
        self.is_whole = False
        return SHOWN

    def named(self, pairs: Iterable[tuple[Any, Any]], depth: int = 0) -> dict[str, Any]:
        """Values by name; those whose name is that of a secret are hidden."""
        shown: dict[str, Any] = {}
        for name, value in pairs:
            if self._left <= 0:
                shown[CUT] = self._cut("more")
                break
            key = self._text(name) if isinstance(name, str) else str(self.of(name, _DEEPEST))
            shown[key] = self.hidden() if is_secretive(key) else self.of(value, depth)
        return shown

    def _nested(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return self.named(dict.items(value), depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._listed(value, depth)
        if isinstance(value, BaseModel):
            return self.named(_fields_of_model(value), depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.named([(each.name, _shown(value, each)) for each in dataclasses.fields(value)], depth)
        if isinstance(value, msgspec.Struct):
            return self.named([(name, getattr(value, name)) for name in value.__struct_fields__], depth)
        return self._described(value)

    def _listed(self, values: Iterable[Any], depth: int) -> list[Any]:
        shown: list[Any] = []
        for value in values:
            if self._left <= 0:
                shown.append(self._cut("more"))
                break
            shown.append(self.of(value, depth))
        return shown

    def _text(self, text: str) -> str:
        room = max(0, self._left)
        kept, shown = text[:room], text
        if len(kept) < len(text):
            # What is cut may be cut within a secret.
            shown = f"{self._redactor.split(kept)[0]}{self._cut(f'{len(text):,} characters')}"
        elif (redacted := self._redactor.text(text)) != text:
            self.is_whole, shown = False, redacted
        self._left -= len(shown)
        return shown.encode("utf-8", "replace").decode()

    def _number(self, number: int | float) -> Any:
        if isinstance(number, int):
            if number.bit_length() > _MOST_BITS:
                return self._described(number)
            text = str(number)
        else:
            if not math.isfinite(number):
                return self._described(number, str(number))
            text = repr(float(number))
        self._left -= len(text)
        return number if self._redactor.text(text) == text else self.hidden()

    def _described(self, value: Any, text: str = "") -> str:
        """What JSON has nothing for."""
        self.is_whole = False
        text = text or f"<{_description(value)}>"
        self._left -= len(text)
        return text

    def _cut(self, what: str) -> str:
        self.is_whole, self.is_cut = False, True
        return f"{CUT} ({what})"


def is_secretive(name: str) -> bool:
    """Whether what has this name is likely a secret.

    >>> [is_secretive(name) for name in ("api_key", "accessToken", "X-Auth", "max_tokens", "author")]
    [True, True, True, False, False]
    """
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(_SECRETIVE.search("".join(words))) or not _SECRETIVE_WORDS.isdisjoint(words) or name.endswith("token")


def _fields_of_model(model: BaseModel) -> list[tuple[str, Any]]:
    """`Field(repr=False)` says that a field is not to be shown."""
    fields = type(model).model_fields
    pairs = [*vars(model).items(), *(model.model_extra or {}).items()]
    return [(name, value if name not in fields or fields[name].repr else SecretStr("")) for name, value in pairs]


def _shown(value: Any, field: dataclasses.Field[Any]) -> Any:
    return getattr(value, field.name, None) if field.repr else SecretStr("")


def _description(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        named = f"file {value.filename}, " if isinstance(value, File) and value.filename else ""
        return f"{named}{len(value):,} bytes"
    kind = kind_of(value)
    if kind is None:
        return f"{type(value).__module__}.{type(value).__qualname__}"
    shape = getattr(value, "shape", None) or getattr(value, "size", "")
    return f"{kind} {getattr(value, 'dtype', '')} {shape}".replace("  ", " ").strip()
