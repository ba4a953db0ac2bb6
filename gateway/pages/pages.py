"""`/`, what was called and how it went, and `/docs`, on which a person reads /openapi.json and tries calls.

The pages are the same for everybody and need no token; they ask for one, keep it in memory and ask the gateway with it,
as any program could. Nothing on them comes from elsewhere, and their Content-Security-Policy lets nothing in.
"""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PAGES = {"/": "overview.html", "/docs": "docs.html"}
_FILES = {
    **PAGES,
    "/pages/overview.js": "overview.js",
    "/pages/docs.js": "docs.js",
    "/pages/access.js": "access.js",
    "/pages/page.css": "page.css",
}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page_routes() -> list[Route]:
    return [Route(path, _file) for path in _FILES]


async def _file(request: Request) -> Response:
    name = _FILES[request.url.path]
    content = resources.files("rayfaas.gateway.pages").joinpath(name).read_bytes()
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=_SAFE)
