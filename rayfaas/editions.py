"""Which values of its secrets a version runs with: a text that is another one for others, and tells nothing of them.

The controller hands it to executors, and gateways compare it with what they know: a result that was made with an older
value is not one of now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rayfaas.environment import digest_of


def edition_of(secrets: Sequence[str], editions: Mapping[str, str]) -> str:
    """Of several secrets, by `team/name`; empty where there are none.

    >>> edition_of(["nlp/api"], {"nlp/api": "1"}) == edition_of(["nlp/api"], {"nlp/api": "2"})
    False
    """
    return digest_of([editions.get(name) for name in secrets]) if secrets else ""
