"""What is read and written over the network: fsspec, S3, Hugging Face, MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayfaas.executor.sightings import Note, Seen
from rayfaas.executor.wrapping import Call
from rayfaas.touches import Mode

_AWS: dict[str, Mode] = {
    "GetObject": "read",
    "PutObject": "write",
    "CompleteMultipartUpload": "write",
    "CopyObject": "write",
}


def opened(note: Note, call: Call) -> None:
    """A file of fsspec. Those of this machine are opened by Python, and seen there."""
    filesystem, path, mode = call.args[0], call.get(1, "path"), str(call.get(2, "mode", "rb"))
    protocol = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    if names & {"file", "local"}:
        return
    details = getattr(call.result, "_details", None) or {}
    version = _version_of(details) if "r" in mode and isinstance(details, dict) else None
    uri = str(filesystem.unstrip_protocol(path))
    note(Seen("read" if "r" in mode else "write", uri, "fsspec", version))


def called_aws(note: Note, call: Call) -> None:
    """An operation of boto3 on an object in S3."""
    operation, parameters, answer = call.get(1, "operation_name"), call.get(2, "api_params"), call.result
    mode = _AWS.get(operation)
    if mode is None or "Bucket" not in parameters:
        return
    if operation == "CopyObject":
        note(Seen("read", *_copied(parameters["CopySource"], answer)))
    uri = f"s3://{parameters['Bucket']}/{parameters['Key']}"
    note(Seen(mode, uri, "boto3", _version_of({**answer.get("CopyObjectResult", {}), **answer})))


def downloaded(note: Note, call: Call) -> None:
    """From Hugging Face: the path in its cache tells of repository and commit."""
    if isinstance(call.result, str):
        note(Seen("read", call.result, "hf"))


def fetched(note: Note, call: Call) -> None:
    note(Seen("read", *_mlflow(str(call.get(0, "artifact_uri")))))


def logged(note: Note, call: Call) -> None:
    uri, version = getattr(call.result, "model_uri", None), getattr(call.result, "registered_model_version", None)
    name = call.kwargs.get("registered_model_name")
    if name and version:
        note(Seen("write", f"models:/{name}", "mlflow", str(version)))
    if uri:
        note(Seen("write", *_mlflow(str(uri))))


def _copied(source: Any, answer: Mapping[str, Any]) -> tuple[str, str, str | None]:
    if isinstance(source, str):
        path, _, version = source.partition("?versionId=")
        return f"s3://{path.lstrip('/')}", "boto3", version or answer.get("CopySourceVersionId")
    of_source = source.get("VersionId") or answer.get("CopySourceVersionId")
    return f"s3://{source['Bucket']}/{source['Key']}", "boto3", of_source


def _version_of(details: Mapping[str, Any]) -> str | None:
    """The store's own version of an object, else its ETag."""
    version = details.get("VersionId")
    if version and version != "null":
        return str(version)
    etag = details.get("ETag") or details.get("etag")
    return f"etag:{str(etag).strip(chr(34))}" if etag else None


def _mlflow(uri: str) -> tuple[str, str, str | None]:
    """`models:/bert/3` is version 3 of `models:/bert`; `runs:/<run>/model` is the run's, for ever.

    >>> _mlflow("models:/bert/3")
    ('models:/bert', 'mlflow', '3')
    """
    scheme, _, rest = uri.partition(":/")
    name, _, version = rest.strip("/").partition("/")
    if scheme == "runs":
        return uri, "mlflow", name
    if scheme == "models" and version.isdigit():
        return f"models:/{name}", "mlflow", version
    if scheme == "models" and name.startswith("m-"):
        return uri, "mlflow", name
    return uri, "mlflow", None
