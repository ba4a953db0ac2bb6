"""The no-op as a function of Google's functions-framework."""

from typing import Any


def noop(request: Any) -> dict[str, int]:
    return {"x": request.get_json()["x"]}
