"""Problem documents made fit to be sent: whatever the user's exception says, its executor outlives saying so."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.frames import MAX_HEADER

# In bytes of UTF-8. A text that is longer loses its middle.
_LONGEST_TEXT = 64 << 10
# What is left of a problem that is too large all the same, besides its shortened detail.
_ALWAYS = ("type", "title", "status", "detail", "code", "retryable", "exception", "message")
_encode = msgspec.msgpack.Encoder(enc_hook=str).encode


def sendable(problem: dict[str, Any]) -> dict[str, Any]:
    """The same, in text that UTF-8 has, and small enough for the header of a frame.

    >>> sendable({"detail": "half a pair: \\ud800"})
    {'detail': 'half a pair: \\\\ud800'}
    """
    fit: dict[str, Any] = _fit(problem)
    if len(_encode(fit)) <= MAX_HEADER // 2:
        return fit
    return {name: fit[name] for name in _ALWAYS if name in fit}


def _fit(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(str(name)): _fit(each) for name, each in value.items()}
    return [_fit(each) for each in value] if isinstance(value, list | tuple) else value


def _text(text: str) -> str:
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= _LONGEST_TEXT:
        return encoded.decode()
    half = _LONGEST_TEXT // 2
    left_out = f"\n[… {len(encoded) - 2 * half:,} bytes are left out here …]\n"
    return encoded[:half].decode(errors="ignore") + left_out + encoded[-half:].decode(errors="ignore")
