"""What is read and written over the network: fsspec, S3, Hugging Face, MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
_SEEN_ELSEWHERE = {"file", "local", "s3", "s3a"}


def opened(note: Note, call: Call) -> None:
    """A file of fsspec. Those of this machine are opened by Python, and seen there; those of S3 by its client."""
    filesystem, path, mode = call.args[0], call.get(1, "path"), str(call.get(2, "mode", "rb"))
    protocol = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    if names & _SEEN_ELSEWHERE:
        return
    uri = str(filesystem.unstrip_protocol(path))
    details = getattr(call.result, "_details", None) or {}
    if "r" in mode or ("a" in mode and details):
        note(Seen("read", uri, "fsspec", _version_of(details)))
    if "r" not in mode:
        _note_when_closed(note, call.result, uri, lambda: filesystem.info(path))


def _note_when_closed(note: Note, file: Any, uri: str, look: Callable[[], Any]) -> None:
    """A store has what is written, and a version of it, when the file is closed."""
    close = file.close

    def closed() -> Any:
        was_open = not file.closed
        result = close()
        if was_open:
            note(Seen("write", uri, "fsspec", _version_now(look)))
        return result

    file.close = closed


def _version_now(look: Callable[[], Any]) -> str | None:
    try:
        return _version_of(look())
    except Exception:  # noqa: BLE001 it is written, whatever the store says then
        return None


def called_aws(note: Note, how: str, call: Call) -> None:
    """An operation of boto3, or of the client that s3fs has, on an object in S3."""
    operation, parameters, answer = call.get(1, "operation_name"), call.get(2, "api_params"), call.result
    if operation in ("CopyObject", "UploadPartCopy"):
        note(Seen("read", *_copied(parameters["CopySource"], answer, how)))
    mode = _AWS.get(operation)
    if mode is None or "Bucket" not in parameters:
        return
    uri = f"s3://{parameters['Bucket']}/{parameters['Key']}"
    note(Seen(mode, uri, how, _version_of({**answer.get("CopyObjectResult", {}), **answer})))


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


def _copied(source: Any, answer: Mapping[str, Any], how: str) -> tuple[str, str, str | None]:
    if isinstance(source, str):
        path, _, version = source.partition("?versionId=")
        return f"s3://{path.lstrip('/')}", how, version or answer.get("CopySourceVersionId")
    of_source = source.get("VersionId") or answer.get("CopySourceVersionId")
    return f"s3://{source['Bucket']}/{source['Key']}", how, of_source


def _version_of(details: Any) -> str | None:
    """The store's own version of an object, else its ETag."""
    if not isinstance(details, Mapping):
        return None
    for name in ("VersionId", "version_id", "generation"):
        if (version := details.get(name)) and version != "null":
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
