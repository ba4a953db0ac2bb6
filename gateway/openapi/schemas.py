"""The schemas of what the gateway itself takes and answers, and what they are built with."""

from __future__ import annotations

from rayfaas.canary import CanaryPlan
from rayfaas.destination import Move
from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.schedule import Scheduled
from rayfaas.spec import Planned
from rayfaas.wire.media import ARROW, JPEG, OCTETS, PNG, WEBP

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
YES_OR_NO: Schema = {"type": "boolean"}
BINARY: Schema = {"type": "string", "format": "binary"}
FILE: Schema = {"schema": BINARY}  # as a content
TIME: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}

RAW = (OCTETS, ARROW, PNG, JPEG, WEBP)
"""The media types whose bytes are no object of arguments, and no JSON."""


def record(_optional: str = "", **properties: Schema) -> Schema:
    """An object; all properties are there, but for those that `_optional` names."""
    required = [name for name in properties if name not in _optional.split()]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_STATES = ["WAITING", "RUNNING", "SUCCEEDED", "CACHED", "FAILED", "TIMED_OUT", "CANCELLED", "REJECTED", "INTERRUPTED"]
_CAUSE = record(exception=TEXT, message=TEXT)
_FAULT = record("msg type", loc=array(ANYTHING), msg=TEXT, type=TEXT)

_PLANNED = Planned.model_json_schema(ref_template="#/components/schemas/{model}")
_MOVE = Move.model_json_schema(ref_template="#/components/schemas/{model}")
_SCHEDULED = Scheduled.model_json_schema(ref_template="#/components/schemas/{model}")
_CANARY = CanaryPlan.model_json_schema(ref_template="#/components/schemas/{model}")
_ARMS = array(record(version=WHOLE, weight=NUMBER))
_SHADOW = nullable(record(version=WHOLE, share=NUMBER))
_SHOWN_SCHEDULE = record(
    team=TEXT,
    name=TEXT,
    function=TEXT,
    schedule=TEXT,
    alias=TEXT,
    method=nullable(TEXT),
    when={**TEXT, "description": "The expression, or `every 6h`."},
    cron=nullable(TEXT),
    timezone=TEXT,
    every_s=nullable(NUMBER),
    arguments=ANYTHING,
    overlap={"enum": ["skip", "allow"]},
    start_within_s=NUMBER,
    principal={**TEXT, "description": "Whose the calls are."},
    set_at=TIME,
    next_at=nullable(TIME),
    suspended_at=nullable(TIME),
    suspended_by=nullable(TEXT),
    suspended_for=nullable(TEXT),
    last_due_at=nullable(TIME),
    last_outcome=nullable({"enum": ["CALLED", "SKIPPED", "MISSED", "REFUSED"]}),
    last_reason=nullable(TEXT),
    last_call=nullable(TEXT),
    last_state=nullable({"enum": _STATES}),
)
_FIGURES = record(calls=WHOLE, errors=WHOLE, p99_ms=nullable(NUMBER))

SCHEMAS: dict[str, Schema] = {
    **_PLANNED["$defs"],
    **_MOVE["$defs"],
    **_SCHEDULED.get("$defs", {}),
    "Move": {key: value for key, value in _MOVE.items() if key != "$defs"},
    "CanaryPlan": _CANARY,
    "Scheduled": {key: value for key, value in _SCHEDULED.items() if key != "$defs"},
    "ToldSchedule": {
        "description": "`next` are its next times, as clocks in its zone show them.",
        "allOf": [reference("ShownSchedule"), record(next=array(TIME))],
    },
    "ShownSchedule": _SHOWN_SCHEDULE,
    "Planned": {key: value for key, value in _PLANNED.items() if key != "$defs"},
    "Problem": {
        "description": "RFC 9457. `code` is stable; `retryable` says whether the same request may do better later.",
        **record(
            "call errors exception message traceback causes output",
            type=TEXT,
            title=TEXT,
            status=WHOLE,
            detail=TEXT,
            code=TEXT,
            retryable=YES_OR_NO,
            call={**TEXT, "description": "The call that ended so."},
            errors=array(_FAULT),
            exception={**TEXT, "description": "The class that the function raised."},
            message=TEXT,
            traceback=TEXT,
            causes=array(_CAUSE),
            output={**TEXT, "description": "The last that the process wrote."},
        ),
    },
    "PositionalArguments": {
        **record("args kwargs", args=array(ANYTHING), kwargs={"type": "object"}),
        "additionalProperties": False,
    },
    "AcceptedCall": record(call=TEXT, location=TEXT),
    "DryRun": {
        "description": "What a call with `Prefer: validate-only` would call, and what of it was checked.",
        **record(
            target=TEXT,
            function=TEXT,
            version=WHOLE,
            alias=nullable(TEXT),
            checked=array({"enum": ["target", "rights", "body", "arguments"]}),
            unchecked={"type": "object", "additionalProperties": TEXT},
        ),
    },
    "LogEntry": record("level", at_us=WHOLE, stream=TEXT, level=nullable(TEXT), text=TEXT),
    "Done": record("single", call=TEXT, items=WHOLE, single={"enum": [True]}),
    "Call": record(
        "arguments arguments_cut",
        call=TEXT,
        function=TEXT,
        version=WHOLE,
        target=TEXT,
        state={"enum": _STATES},
        attempts=nullable(WHOLE),
        code=nullable(TEXT),
        caller=TEXT,
        team=TEXT,
        spawned=YES_OR_NO,
        accepted_at=nullable(TIME),
        ended_at=nullable(TIME),
        arguments={"type": "object"},
        arguments_cut=YES_OR_NO,
    ),
    "LogLine": record(
        "level", call=TEXT, function=TEXT, version=WHOLE, at=TIME, stream=TEXT, text=TEXT, level=nullable(TEXT)
    ),
    "Logs": record(logs=array(reference("LogLine"))),
    "Status": record(
        controller={"type": "object"},
        gateways=array({"type": "object"}),
        clusters=array({"type": "object"}),
        head={"type": "object"},
        scalings={"type": "object", "additionalProperties": TEXT},
        replicas=array({"type": "object"}),
    ),
    "Alias": record("split", alias=TEXT, version=WHOLE, revision=WHOLE, split=ANYTHING),
    "MovedAlias": record(
        "arms sticky shadow",
        function=TEXT,
        alias=TEXT,
        version={**WHOLE, "description": "Where most calls go."},
        revision=WHOLE,
        leads_to={**TEXT, "description": "All of it, to be read."},
        arms=array({"description": "Version and weight.", **array(NUMBER)}),
        sticky=nullable(TEXT),
        shadow=nullable({"description": "Version and share in percent.", **array(NUMBER)}),
    ),
    "AliasMove": record(
        alias=TEXT,
        revision=WHOLE,
        version=WHOLE,
        arms=_ARMS,
        sticky=nullable(TEXT),
        shadow=_SHADOW,
        leads_to=TEXT,
        moved_at=TIME,
        moved_by=TEXT,
        reason=TEXT,
        undo={**WHOLE, "description": "The revision that a rollback returns to; 0 for none."},
    ),
    "Canary": record(
        canary=TEXT,
        team=TEXT,
        name=TEXT,
        alias=TEXT,
        plan=reference("CanaryPlan"),
        step=WHOLE,
        revision=WHOLE,
        state={"enum": ["RUNNING", "PROMOTED", "RETURNED", "ABORTED", "SUPERSEDED"]},
        reason=nullable(TEXT),
        began_at=TIME,
        began_by=TEXT,
        ended_at=nullable(TIME),
        steps=array(
            record(
                step=WHOLE,
                share=NUMBER,
                revision=WHOLE,
                began_at=TIME,
                ended_at=TIME,
                outcome={"enum": ["ON", "PROMOTED", "RETURNED", "ABORTED", "SUPERSEDED"]},
                reason=TEXT,
                figures=_FIGURES,
                base=_FIGURES,
            )
        ),
        present=nullable(record(share=NUMBER, lasted_s=NUMBER, reason=TEXT, figures=_FIGURES, base=_FIGURES)),
    ),
    "Function": record(
        team=TEXT,
        name=TEXT,
        scaling=reference("Scaling"),
        created_at=TIME,
        created_by=TEXT,
        aliases=array(reference("Alias")),
        deprecated_at=nullable(TIME),
        sunset_at=nullable(TIME),
        successor=nullable(TEXT),
    ),
    "Version": record(
        team=TEXT,
        name=TEXT,
        version=WHOLE,
        state={"enum": ["PENDING", "ACTIVE", "FAILED", "DELETED"]},
        content_digest=TEXT,
        bundle=TEXT,
        entry=reference("Entry"),
        spec=reference("Spec"),
        syntax_digest=TEXT,
        environment_digest=TEXT,
        provenance=reference("Provenance"),
        published_at=TIME,
        published_by=TEXT,
        interface=ANYTHING,
        failure=nullable(TEXT),
        environment={"anyOf": [reference("Locked"), {"type": "null"}]},
    ),
    "Plan": record(
        function=TEXT,
        alias=TEXT,
        revision=WHOLE,
        before=nullable({"type": "object"}),
        version=nullable(WHOLE),
        created=YES_OR_NO,
        starts=YES_OR_NO,
        bundle_known=YES_OR_NO,
        environment_known=YES_OR_NO,
        shape_known=YES_OR_NO,
        files=record(added=array(TEXT), removed=array(TEXT), changed=array(TEXT)),
        settings=array(record(field=TEXT, before=ANYTHING, after=ANYTHING)),
        callers=array(record(team=TEXT, principal=TEXT, method=nullable(TEXT), calls=WHOLE, last=TIME)),
        expected=record(seconds=nullable(NUMBER), deploys=WHOLE, of={"enum": ["function", "all"]}),
    ),
    "Locked": record(wanted=TEXT, python=TEXT, packages=array(TEXT), setup=array(TEXT)),
    "Environment": {
        "description": "One that is built on a node; that of the server has the digest ``. `zygote` is what is loaded.",
        **record(
            "python packages setup size_mb built_at used_at",
            cluster=TEXT,
            node=TEXT,
            replica=TEXT,
            application=TEXT,
            digest=TEXT,
            python=TEXT,
            packages=array(TEXT),
            setup=array(TEXT),
            size_mb=NUMBER,
            built_at=NUMBER,
            used_at=NUMBER,
            zygote={"type": ["object", "null"]},
        ),
    },
    "Miss": record("nearest", call=TEXT, part=TEXT, detail=TEXT, nearest=nullable(TEXT)),
    "ArtifactAlias": record(
        team=TEXT,
        name=TEXT,
        alias=TEXT,
        uri=TEXT,
        moved_by=TEXT,
        reason=TEXT,
        version=nullable(TEXT),
        revision=WHOLE,
        moved_at=TIME,
    ),
    "Secret": record(team=TEXT, name=TEXT, keys=array(TEXT), revision=WHOLE, set_at=TIME, set_by=TEXT),
    "SetSecret": record(team=TEXT, name=TEXT, keys=array(TEXT), restarted=array(TEXT)),
    "DeployEvent": {
        "description": "`event` is `published`, `environment`, a step, `live`, or at last `error` with its `problem`.",
        **record("problem", event=TEXT, problem=reference("Problem")),
    },
    "Rows": record(columns=array(record(name=TEXT, type=TEXT)), rows=array(array(ANYTHING)), truncated=YES_OR_NO),
    "NewToken": record(id=TEXT, token={**TEXT, "description": "Shown this once."}),
}

ALIAS_MOVE = reference("Move")
MESSAGE = ROLLBACK = record("message", message={**TEXT, "maxLength": 4096})
SECRET = record(
    "restart message",
    values={"type": "object", "minProperties": 1, "additionalProperties": TEXT},
    restart=YES_OR_NO,
    message={**TEXT, "maxLength": 4096},
)
GRAPH = record(
    start=TEXT,
    direction={"enum": ["upstream", "downstream"]},
    nodes=array(record(id=TEXT, kind={"enum": ["artifact", "call", "version"]})),
    edges=array(record(source=TEXT, target=TEXT, kind={"enum": ["read", "wrote", "called", "gave"]})),
    is_cut={"type": "boolean"},
)
QUERY = record("parameters", sql=TEXT, parameters=array(ANYTHING))
