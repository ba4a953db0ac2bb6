"""The keys of one gateway. Those of a home have the last two in common: what one of them signs, any of them checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayfaas.handshake import derive


@dataclass(frozen=True)
class Keys:
    """`link` proves to the controller who it is, `calls` signs the tokens of running calls, `webhooks` what is told.

    >>> Keys.of_home(b"the key of a home").link
    b'the key of a home'
    """

    link: bytes = field(repr=False)
    calls: bytes = field(repr=False)
    webhooks: bytes = field(repr=False)

    @classmethod
    def of_home(cls, key: bytes) -> Keys:
        """Those of a gateway on the home's own machine."""
        return cls.elsewhere(key, key)

    @classmethod
    def elsewhere(cls, link: bytes, home: bytes) -> Keys:
        """Those of a gateway on another machine, from which the home's key can't be found."""
        return cls(link, derive(home, "call access"), derive(home, "webhooks"))
