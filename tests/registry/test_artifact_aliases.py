"""What names of artifacts lead to: the last move counts, all are kept."""

from __future__ import annotations

from pathlib import Path

from rayfaas.records import Touched
from rayfaas.registry.registry import Registry
from tests.registry.builders import ACCEPTED_US, segment, started


def test_the_last_move_of_a_name_counts_and_all_are_kept(registry: Registry) -> None:
    names = registry.artifact_aliases
    names.move("nlp", "bert", "prod", "s3://m/1", "a", "ann", "first")
    names.move("nlp", "bert", "next", "s3://m/2", "b", "ann", "")
    moved = names.move("nlp", "bert", "prod", "s3://m/2", "b", "bob", "better")
    assert (moved.revision, moved.uri, moved.version, moved.moved_by, moved.reason) == (
        2,
        "s3://m/2",
        "b",
        "bob",
        "better",
    )
    assert [(row.alias, row.uri) for row in names.current("nlp")] == [("next", "s3://m/2"), ("prod", "s3://m/2")]
    assert names.current("vision") == names.current("nlp", "bert", "old") == []
    sql = "SELECT revision, uri FROM artifact_moves WHERE alias = 'prod' ORDER BY revision"
    assert registry.query(sql, [], team="nlp").rows == [[1, "s3://m/1"], [2, "s3://m/2"]]
    assert registry.query(sql, [], team="vision").rows == []
    audit = "SELECT actor, subject FROM audit WHERE action = 'artifact moved' ORDER BY done_at"
    assert registry.query(audit, [], team=None).rows[-1] == ["bob", "nlp/bert:prod"]


def test_without_a_version_it_is_the_one_that_the_team_saw_last(registry: Registry, journal: Path) -> None:
    for at, (team, version) in enumerate((("red", "v1"), ("red", "v2"), ("blue", "v3"))):
        call = started(team=team, owner=team, function=f"{team}/f")
        touched = Touched(f"{team}/f", 1, "e", ACCEPTED_US + at, "write", "s3://m/1", "s3", call.call, version)
        segment(journal, call, touched)
    registry.load_journal()
    names = registry.artifact_aliases
    assert names.move("red", "bert", "prod", "s3://m/1", None, "ann", "").version == "v2"
    assert names.move("red", "bert", "prod", "s3://m/other", None, "ann", "").version is None
