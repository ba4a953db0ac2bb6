"""The paths of schedules: when functions call themselves."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import MESSAGE, array, record

_SCHEDULES = record(schedules=array(reference("ShownSchedule")))


def schedule_paths(function: str) -> dict[str, Schema]:
    """`function` is the path of a function."""
    of, told, may_fail = ("team", "name", "schedule"), reference("ToldSchedule"), problems(409)
    one = f"{function}/schedules/{{schedule}}"
    wanted = reference("Scheduled")
    return {
        "/v1/schedules": {"get": operation("schedules", "functions", "When functions call themselves", _SCHEDULES)},
        one: {
            "put": operation("set_schedule", "functions", "Schedule it", told, *of, body=wanted, more=may_fail),
            "delete": operation("remove_schedule", "functions", "Remove a schedule", None, *of, "message", status=204),
        },
        f"{one}/suspend": {
            "post": operation(
                "suspend_schedule", "functions", "Suspend a schedule", told, *of, body=MESSAGE, more=may_fail
            )
        },
        f"{one}/resume": {
            "post": operation(
                "resume_schedule", "functions", "Resume a schedule", told, *of, body=MESSAGE, more=may_fail
            )
        },
    }
