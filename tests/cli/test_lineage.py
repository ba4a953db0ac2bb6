"""Lineage on the command line: sentences, trees, pictures and events of one graph, and what a file says by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from openlineage.client.event_v2 import InputDataset, Job, JobEvent, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated import parent_run
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.parent_run import ParentRunFacet
from openlineage.client.generated.schema_dataset import SchemaDatasetFacet, SchemaDatasetFacetFields
from openlineage.client.generated.tags_job import TagsJobFacet, TagsJobFacetFields
from openlineage.client.generated.tags_run import TagsRunFacet, TagsRunFacetFields
from openlineage.client.serde import Serde
from pyarrow import parquet

from rayfaas.cli.lineage import uri_of
from rayfaas.cli.openlineage import events as made_of
from rayfaas.errors import NotFound
from rayfaas.graph import Edge, Graph, Node
from rayfaas.stamps import KEY, Stamp
from tests.cli.terminal import Terminal
from tests.scripted_server import refusing, routes

ONE, TWO = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"
PARTS: list[tuple[Any, Any]] = [
    (TagsRunFacet, TagsRunFacetFields),
    (TagsJobFacet, TagsJobFacetFields),
    (SchemaDatasetFacet, SchemaDatasetFacetFields),
]
WHOLE = (ParentRunFacet, DatasetVersionDatasetFacet, ErrorMessageRunFacet)
FACETS: dict[str, Any] = {each.__name__: each for each in (*WHOLE, *(whole for whole, _ in PARTS))}
AT, ENDED, LATER = (f"2026-11-26T10:00:0{second}+00:00" for second in range(3))
GRAPH = Graph(
    "s3://b/v#v1",
    "upstream",
    [
        Node("s3://b/v#v1", "artifact", "s3://b/v", "v1", 3),
        Node(TWO, "call", call=TWO, function="nlp/embed", version=7, alias="prod", commit="abcdef012345", at=AT,
             state="SUCCEEDED", ended_at=LATER),
        Node("m", "artifact", "file:///model", "sha256:" + "1" * 64),
        Node(ONE, "call", call=ONE, function="nlp/train", version=12, is_dirty=True, commit="0123456789", at=AT,
             state="FAILED", code="function_error", ended_at=ENDED),
        Node("r", "artifact", 'file:///a%20"b"'),
    ],
    [
        Edge(TWO, "s3://b/v#v1", "wrote", "boto3", ["x"]),
        Edge("m", TWO, "read", "open"),
        Edge(ONE, "m", "wrote", "open"),
        Edge("r", ONE, "read", "open", is_certain=False),
    ],
)  # fmt: skip


@pytest.fixture(autouse=True)
def served(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/lineage": msgspec.to_builtins(GRAPH)}))


def test_why_is_told_in_sentences_that_name_every_version(rayfaas: Terminal) -> None:
    assert rayfaas("why", "s3://b/v").out.splitlines() == [
        "s3://b/v (version v1) was written by the prod nlp/embed (version 7, commit abcdef0) in call "
        f"{TWO}, at 2026-11-26 10:00 UTC.",
        f"The prod nlp/embed (version 7, commit abcdef0): In call {TWO}, at 2026-11-26 10:00 UTC, it read "
        "/model (version 111111111111).",
        "/model (version 111111111111) was written by nlp/train (version 12, commit 0123456 with changes) in call "
        f"{ONE}, at 2026-11-26 10:00 UTC.",
        f"Nlp/train (version 12, commit 0123456 with changes): In call {ONE}, at 2026-11-26 10:00 UTC, it read "
        '/a "b" (version not known) (it may have changed meanwhile: the version is not certain).',
        '/a "b" (version not known): who wrote it is not known.',
    ]


def test_why_says_what_is_not_certain_and_what_is_a_name(rayfaas: Terminal) -> None:
    name = Node("a", "artifact", "artifact://nlp/bert:prod", "2")
    edges = [Edge(TWO, "s3://b/v#v1", "wrote", "fsspec", is_certain=False), Edge("a", TWO, "read", "said")]
    graph = Graph("s3://b/v#v1", "upstream", [*GRAPH.nodes, name], edges)
    rayfaas.serve(routes({"GET /v1/lineage": msgspec.to_builtins(graph)}))
    told = rayfaas("why", "s3://b/v").out.splitlines()
    assert told[0].startswith("s3://b/v (version v1) was written, as far as is known, by the prod nlp/embed")
    assert told[2].startswith("artifact://nlp/bert:prod (version 2) is a name: `rayfaas sql` tells in artifact_moves")


def test_a_tree_a_flowchart_and_a_graph_show_it(rayfaas: Terminal) -> None:
    tree = rayfaas("lineage", "s3://b/v", "--depth", 3, "--as-of", "2026-11-27").out
    assert [line.strip(" │└├─").partition(" (")[0] for line in tree.splitlines()] == [
        "s3://b/v", "written by the prod nlp/embed", "read /model", "written by nlp/train", 'read /a "b"'
    ]  # fmt: skip
    assert rayfaas.requests[-1].query == {
        "of": ["s3://b/v"], "direction": ["upstream"], "depth": ["3"], "as_of": ["2026-11-27"]
    }  # fmt: skip
    mermaid = rayfaas("lineage", "s3://b/v", "--mermaid").out
    assert 'n4[("/a #quot;b#quot; (version not known)")]' in mermaid
    assert "n4 -.->|read| n3" in mermaid
    dot = rayfaas("lineage", "s3://b/v", "--dot").out
    assert 'n4 [shape=cylinder, label="/a \\"b\\" (version not known)"];' in dot
    assert rayfaas("lineage", "s3://b/v", "--json").json["start"] == "s3://b/v#v1"


def test_events_are_those_of_openlineage(rayfaas: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "events"
    assert "4 events" in rayfaas("lineage", "s3://b/v", "--openlineage", file).out
    events: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()]
    for event in events:
        assert plain(Serde.to_dict(published(event))) == plain(event)
    (_, trains, failed, completed) = events
    assert [(event["eventType"], event["eventTime"]) for event in events] == [
        ("START", AT), ("START", AT), ("FAIL", ENDED), ("COMPLETE", LATER)
    ]  # fmt: skip
    assert (trains["run"]["runId"], trains["inputs"]) == (ONE, [])
    assert failed["run"]["facets"]["errorMessage"]["message"] == "function_error"
    tags = {each["key"]: each["value"] for each in completed["run"]["facets"]["tags"]["tags"]}
    assert tags == {"version": "7", "alias": "prod", "commit": "abcdef012345"}
    (wrote,) = completed["outputs"]
    assert (wrote["namespace"], wrote["name"]) == ("s3://b", "v")
    assert wrote["facets"]["schema"]["fields"] == [{"name": "x"}]
    assert failed["inputs"] == [{"namespace": "file", "name": '/a "b"', "facets": {}}]


def test_a_call_in_a_call_and_a_version_have_their_events() -> None:
    version = Node("nlp/embed:7", "version", function="nlp/embed", version=7)
    runs = [msgspec.structs.replace(node, ended_at=None) for node in GRAPH.nodes]
    edges = [Edge(ONE, TWO, "called"), Edge("m", version.id, "read")]
    events = made_of(Graph(version.id, "upstream", [*runs, version], edges))
    assert [event.get("eventType") for event in events] == ["START", "START", None]
    assert events[1]["run"]["facets"]["parent"]["run"] == {"runId": TWO}
    assert [each["name"] for each in events[2]["inputs"]] == ["/model"]
    for event in events:
        assert plain(Serde.to_dict(published(event))) == plain(event)


def test_no_version_is_claimed_that_is_not_certain() -> None:
    doubt = [msgspec.structs.replace(edge, is_certain=False) for edge in GRAPH.edges]
    events = made_of(Graph("m", "upstream", GRAPH.nodes, doubt))
    assert all("version" not in each["facets"] for event in events for each in event["inputs"] + event["outputs"])


def published(event: dict[str, Any]) -> RunEvent | JobEvent:
    """The event in the classes that OpenLineage makes of its published schema, which take nothing that is not in it."""
    given = event["job"]
    job = Job(given["namespace"], given["name"], {name: facet(each) for name, each in given.get("facets", {}).items()})
    fields: dict[str, Any] = {
        "eventTime": event["eventTime"],
        "producer": event["producer"],
        "job": job,
        "inputs": [dataset(InputDataset, each) for each in event["inputs"]],
        "outputs": [dataset(OutputDataset, each) for each in event["outputs"]],
    }
    kind = event["schemaURL"].rpartition("/")[2]
    if kind == "JobEvent":
        return JobEvent(**fields)
    assert kind == "RunEvent"
    run = Run(event["run"]["runId"], {name: facet(each) for name, each in event["run"]["facets"].items()})
    return RunEvent(eventType=RunState(event["eventType"]), run=run, **fields)


def dataset(kind: Any, given: dict[str, Any]) -> Any:
    facets = {name: facet(each) for name, each in given["facets"].items()}
    return kind(given["namespace"], given["name"], facets=facets)


def facet(given: dict[str, Any]) -> Any:
    """Its class is the one that its address names."""
    kind = FACETS[given["_schemaURL"].rpartition("/")[2]]
    content = {name: value for name, value in given.items() if not name.startswith("_")}
    if kind is ParentRunFacet:
        content = {"run": parent_run.Run(**content["run"]), "job": parent_run.Job(**content["job"])}
    for whole, part in PARTS:
        if kind is whole:
            content = {name: [part(**each) for each in parts] for name, parts in content.items()}
    assert given["_schemaURL"].startswith("https://openlineage.io/spec/facets/1-")
    return kind(**content, producer=given["_producer"])


def plain(value: Any) -> Any:
    """Without what is empty, and without the number of the schema that a facet is of: a later 1-x takes it too."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    pairs = {name: plain(each) for name, each in value.items() if name != "_schemaURL"}
    return {name: each for name, each in pairs.items() if each not in ({}, [], None)}


def test_a_file_tells_of_its_columns_by_itself(rayfaas: Terminal, tmp_path: Path) -> None:
    mark = Stamp(ONE, "nlp/embed", 7).encode()
    schema = pa.schema([pa.field("a", pa.int64(), metadata={KEY: mark}), pa.field("b", pa.int64())])
    file = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"a": [1], "b": [2]}, schema), file)
    told = rayfaas("why", file, "--offline")
    assert told.out.splitlines() == [
        f"Column a was written by nlp/embed (version 7) in call {ONE}.",
        "Column b: the file does not say who wrote that.",
    ]
    assert rayfaas.requests == []
    rayfaas("why", file, "--column", "a")
    assert rayfaas.requests[-1].query["of"] == [ONE]
    wrong = rayfaas("why", file, "--column", "c")
    assert "no column 'c'. It has a, b." in " ".join(wrong.err.split())
    rayfaas("why", file)
    assert rayfaas.requests[-1].query["version"][0].startswith("sha256:")


def test_what_the_server_does_not_know_leaves_what_the_file_says(rayfaas: Terminal, tmp_path: Path) -> None:
    rayfaas.serve(refusing(NotFound("No call has read it.")))
    assert rayfaas("why", "s3://b/v").code == 3
    (tmp_path / "plain").write_text("x")
    assert "as it is now" in " ".join(rayfaas("why", tmp_path / "plain").err.split())


def test_the_tree_of_a_file_that_is_here_is_that_of_its_content(rayfaas: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "renamed"
    file.write_text("x")
    rayfaas("lineage", file, "--downstream", "--depth", 2)
    query = rayfaas.requests[-1].query
    assert query["version"][0].startswith("sha256:2d711642b726")
    assert (query["direction"], query["depth"]) == (["downstream"], ["2"])
    rayfaas("lineage", file, "--as-of", "2026-11-27")
    assert "version" not in rayfaas.requests[-1].query


@pytest.mark.parametrize("command", ["why", "lineage"])
def test_what_is_said_where_nothing_is_recorded_leads_on(rayfaas: Terminal, tmp_path: Path, command: str) -> None:
    rayfaas.serve(refusing(NotFound("No call has read it.")))
    (tmp_path / "set" / "label=0").mkdir(parents=True)
    part = tmp_path / "set" / "label=0" / "part-0"
    assert "It is an empty folder." in " ".join(rayfaas(command, tmp_path / "set").err.split())
    part.write_text("x")
    told = rayfaas(command, tmp_path / "set")
    assert told.code == 3
    assert told.err == f"Error: No call has read it. It is a folder: ask for a file of it, as {part}.\n"
    assert "rayfaas.reads(path)" in rayfaas(command, part).err
    assert "recorded last" not in rayfaas(command, part).err


@pytest.mark.parametrize("command", ["why", "lineage"])
def test_what_is_neither_a_version_nor_a_file_is_said_to_be_none(rayfaas: Terminal, command: str) -> None:
    rayfaas.serve(refusing(NotFound("There is no such version.")))
    told = rayfaas(command, "model.bin")
    assert told.err == "Error: There is no such version. There is no file model.bin here either.\n"
    assert rayfaas(command, "embed").err == "Error: There is no such version.\n"


def test_paths_are_asked_for_by_their_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    assert uri_of("here") == (tmp_path / "here").as_uri()
    assert uri_of("./gone") == (tmp_path / "gone").as_uri()
    assert (uri_of("embed"), uri_of("s3://b/k")) == ("embed", "s3://b/k")


def test_coverage_says_how_much_is_known_and_what_is_not(rayfaas: Terminal) -> None:
    rows = [["calls", "all", 4, 3], ["artifacts", "all", 0, 0], ["calls", "nlp/f by ann", 1, 0]]
    columns = [{"name": name, "type": "VARCHAR"} for name in ("what", "gap", "n", "known")]
    rayfaas.serve(routes({"POST /v1/sql": {"columns": columns, "rows": rows, "truncated": False}}))
    assert rayfaas("coverage").out.splitlines() == [
        "3 of 4 calls (75 %) have a known caller.",
        "  not known: nlp/f by ann (1 calls)",
        "There are no artifacts of that time.",
    ]
