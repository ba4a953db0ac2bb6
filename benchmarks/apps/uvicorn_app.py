"""The no-op as an endpoint of Starlette."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def noop(request: Request) -> JSONResponse:
    return JSONResponse({"x": (await request.json())["x"]})


app = Starlette(routes=[Route("/", noop, methods=["POST"])])
