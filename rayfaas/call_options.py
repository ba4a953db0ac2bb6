"""What a caller may ask of one call, besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass

from rayfaas.errors import BadRequest
from rayfaas.names import check_team
from rayfaas.priority import parse_priority


@dataclass(frozen=True)
class CallOptions:
    """`retries` and `webhook` are for spawned calls; what is None is as the function's declaration has it.

    `takes_pickle` says whether the result may be a pickle: to read it runs code of the function. With `cache` False
    no earlier result will do.

    Raises `BadRequest` where an option is not valid.

    >>> CallOptions(timeout_s=2, priority="high").headers()
    {'Rayfaas-Timeout': '2', 'Rayfaas-Priority': 'high'}
    """

    timeout_s: float | None = None
    retries: int | None = None
    idempotency_key: str | None = None
    team: str | None = None
    priority: int | str | None = None
    webhook: str | None = None
    takes_pickle: bool = False
    cache: bool = True

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise BadRequest(f"timeout_s must be more than 0, not {self.timeout_s!r}")
        if self.team is not None:
            check_team(self.team)
        if self.priority is not None:
            parse_priority(self.priority)
        if self.webhook is not None:
            _check_ascii("webhook", self.webhook)

    def headers(self) -> dict[str, str]:
        """As they are sent."""
        if self.idempotency_key is not None:
            _check_ascii("idempotency_key", self.idempotency_key)
        given = {
            "Rayfaas-Timeout": self.timeout_s,
            "Rayfaas-Retries": self.retries,
            "Idempotency-Key": self.idempotency_key,
            "Rayfaas-Team": self.team,
            "Rayfaas-Priority": self.priority,
            "Rayfaas-Webhook": self.webhook,
            "Cache-Control": None if self.cache else "no-cache",
        }
        return {name: str(value) for name, value in given.items() if value is not None}


NO_OPTIONS = CallOptions()


def _check_ascii(name: str, text: str) -> None:
    if not text.isascii() or not text.isprintable():
        raise BadRequest(
            f"{name} is printable ASCII, not {text!r}. Its hash in hexadecimal, or its percent-encoding, is."
        )
