"""The gateway's own paths: what is the same on every server, a file for each group of them."""

from __future__ import annotations

from rayfaas.gateway.openapi.access import access_paths, deprecation_paths, limit_paths
from rayfaas.gateway.openapi.artifacts import artifact_paths
from rayfaas.gateway.openapi.calls import call_paths
from rayfaas.gateway.openapi.clusters import cluster_paths
from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.gateways import gateway_paths
from rayfaas.gateway.openapi.machines import machine_paths
from rayfaas.gateway.openapi.operations import open_operation, operation
from rayfaas.gateway.openapi.people import people_paths
from rayfaas.gateway.openapi.queries import query_paths
from rayfaas.gateway.openapi.releases import release_paths
from rayfaas.gateway.openapi.scaling import scaling_paths
from rayfaas.gateway.openapi.schedules import schedule_paths
from rayfaas.gateway.openapi.schemas import TEXT, array, record
from rayfaas.gateway.openapi.secrets import secret_paths
from rayfaas.gateway.openapi.versions import version_paths
from rayfaas.gateway.openapi.webhooks import webhook_paths

_FUNCTION = "/v1/functions/{team}/{name}"
_FIGURES = {"description": "Text, in the format that Accept asks for.", "content": {"text/plain": {"schema": TEXT}}}
_ENVIRONMENTS = record(environments=array(reference("Environment")))


def api_paths() -> dict[str, Schema]:
    """`paths`, without the deployed functions."""
    return {
        **call_paths(),
        **version_paths(_FUNCTION),
        **release_paths(f"{_FUNCTION}/aliases"),
        **scaling_paths(_FUNCTION),
        **access_paths(_FUNCTION),
        **deprecation_paths(_FUNCTION),
        **limit_paths(),
        **schedule_paths(_FUNCTION),
        **people_paths(_FUNCTION),
        **secret_paths(),
        **artifact_paths(),
        **query_paths(),
        **webhook_paths(),
        **cluster_paths(),
        **gateway_paths(),
        **machine_paths(),
        **_server_paths(),
    }


def _server_paths() -> dict[str, Schema]:
    return {
        "/v1/whoami": {"get": operation("whoami", "access", "Whose token it is", reference("Principal"))},
        "/v1/status": {"get": operation("status", "gateway", "What runs", reference("Status"))},
        "/v1/environments": {"get": operation("environments", "gateway", "What is built and loaded", _ENVIRONMENTS)},
        "/healthz": {"get": open_operation("healthz", "Whether it lives", "text/plain", 200)},
        "/readyz": {"get": open_operation("readyz", "Whether it can answer calls", "text/plain", 200, 503)},
        "/metrics": {"get": operation("metrics", "gateway", "Figures for Prometheus", _FIGURES)},
        "/": {"get": open_operation("overview", "A page that shows what was called and what runs", "text/html", 200)},
        "/docs": {"get": open_operation("docs", "A page to read this and to try calls", "text/html", 200)},
        "/openapi.json": {"get": operation("openapi", "gateway", "This document", {"type": "object"})},
    }
