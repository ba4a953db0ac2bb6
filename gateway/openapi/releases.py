"""The paths of aliases: where they lead, and how they are moved."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import ALIAS_MOVE, ROLLBACK, array, record


def release_paths(aliases: str) -> dict[str, Schema]:
    """`aliases` is the path of a function's aliases."""
    function, alias = ("team", "name"), ("team", "name", "alias")
    moved, canary = reference("MovedAlias"), reference("Canary")
    listed, moves = record(aliases=array(reference("AliasMove"))), record(moves=array(reference("AliasMove")))
    plan = reference("CanaryPlan")
    may_fail = problems(409, 422, 502)
    return {
        aliases: {"get": operation("aliases", "functions", "Where its aliases lead", listed, *function)},
        f"{aliases}/{{alias}}": {
            "post": operation("move_alias", "functions", "Move an alias", moved, *alias, body=ALIAS_MOVE, more=may_fail)
        },
        f"{aliases}/{{alias}}/history": {
            "get": operation("alias_history", "functions", "Its moves, the newest first", moves, *alias, "moves")
        },
        f"{aliases}/{{alias}}/rollback": {
            "post": operation(
                "rollback", "functions", "Undo its last move", moved, *alias, body=ROLLBACK, more=may_fail
            )
        },
        f"{aliases}/{{alias}}/canary": {
            "get": operation("canary", "functions", "Its newest canary", canary, *alias),
            "post": operation(
                "begin_canary", "functions", "Start a canary", canary, *alias, status=201, body=plan, more=may_fail
            ),
            "delete": operation(
                "abort_canary", "functions", "Return to where it led before", canary, *alias, "message", more=may_fail
            ),
        },
    }
