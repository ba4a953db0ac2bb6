"""The no-op as an asynchronous function of Google's functions-framework."""

from starlette.requests import Request


async def noop(request: Request) -> dict[str, int]:
    return {"x": (await request.json())["x"]}
