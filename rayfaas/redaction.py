"""Keeping secrets out of what is shown: their values, and the ways in which programs write them, become `***`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

SHOWN = "***"
# A shorter value, such as `1` or `on`, is in every second text.
SHORTEST = 4


class Redactor:
    """Of the values of one process's secrets. Without any it changes nothing, and costs nothing.

    >>> Redactor(["hunter22"]).text("the password is hunter22")
    'the password is ***'
    """

    def __init__(self, values: Iterable[str]) -> None:
        forms = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)  # longest first
        self.is_needed = bool(forms)
        self._text = re.compile("|".join(map(re.escape, forms)))
        self._bytes = re.compile(b"|".join(re.escape(form.encode("utf-8", "surrogatepass")) for form in forms))
        self._forms = forms
        self._encoded = [form.encode("utf-8", "surrogatepass") for form in forms]
        self._held = b""

    def text(self, text: str) -> str:
        return self._text.sub(SHOWN, text) if self.is_needed else text

    def value(self, value: Any) -> Any:
        """The same JSON, without them."""
        if not self.is_needed:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(name): self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list | tuple) else value

    def split(self, text: str) -> tuple[str, str]:
        """What of `text` can be shown, redacted, and its end that may be the beginning of a secret."""
        if not self.is_needed:
            return text, ""
        held = _held(text, self._forms, self._text.finditer)
        return self.text(text[:held]), text[held:]

    def feed(self, data: bytes, is_last: bool = False) -> bytes:
        """What can be shown of a stream of bytes that has come this far."""
        if not self.is_needed:
            return data
        data = self._held + data
        held = len(data) if is_last else _held(data, self._encoded, self._bytes.finditer)
        self._held = data[held:]
        return self._bytes.sub(SHOWN.encode(), data[:held])


def _held(text: Any, forms: list[Any], find: Callable[[Any], Iterator[re.Match[Any]]]) -> int:
    """Where the end begins that may be the beginning of a form, and goes on with what comes next."""
    for index in range(max(0, len(text) - max(map(len, forms)) + 1), len(text)):
        end = text[index:]
        if any(len(form) > len(end) and form.startswith(end) for form in forms):
            # Not within another one: that is held, or shown, as a whole.
            return next((m.start() for m in find(text) if m.start() < index < m.end()), index)
    return len(text)


def _forms(value: str) -> Iterator[str]:
    """The value as it is, escaped as Python and JSON do, in an address, in base64, and its lines."""
    data = value.encode("utf-8", "surrogatepass")
    forms = [
        value,
        value.strip(),
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    ]
    forms += [quote(data, safe=""), quote_plus(data), base64.b64encode(data).decode()]
    if "\n" in value:
        forms += [line.strip() for line in value.splitlines() if len(line.strip()) >= 2 * SHORTEST]
    return (form for form in forms if len(value) >= SHORTEST and len(form) >= SHORTEST)
