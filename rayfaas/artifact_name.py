"""How an artifact is named: `bert:prod`, `nlp/bert:prod`; as an argument `artifact://nlp/bert:prod`."""

from __future__ import annotations

from typing import NamedTuple

from rayfaas.names import LIVE, check_alias, check_name, check_team

SCHEME = "artifact://"


class ArtifactName(NamedTuple):
    """Without an alias it is `live`.

    >>> ArtifactName.parse("artifact://bert:prod")
    ArtifactName(team=None, name='bert', alias='prod')
    >>> str(ArtifactName.parse("nlp/bert"))
    'nlp/bert:live'
    """

    team: str | None
    name: str
    alias: str

    @classmethod
    def parse(cls, text: str) -> ArtifactName:
        """Raises `BadRequest`."""
        team, slash, rest = text.removeprefix(SCHEME).rpartition("/")
        name, colon, alias = rest.partition(":")
        return cls(
            check_team(team) if slash else None,
            check_name(name, "artifact"),
            check_alias(alias) if colon else LIVE,
        )

    def __str__(self) -> str:
        return f"{self.team}/{self.name}:{self.alias}" if self.team else f"{self.name}:{self.alias}"
