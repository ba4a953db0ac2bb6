"""Every error that rayfaas raises or answers, in one tree.

    RayfaasError
    ├── FunctionError              the user's function raised; never mixed up with ours
    │   ├── ResultNotSerializable  it returned something that the asked encoding can't carry
    │   ├── BadBatch               batched, it returned something else than a result for each item
    │   └── BadAnswer              an ASGI application answered what is no HTTP, or nothing
    ├── BadRequest                 the request is at fault: mend it, then send it again
    │   ├── MalformedBody, InvalidArguments, BodyTooLarge, UnsupportedMediaType, NotAcceptable, MethodNotAllowed
    │   └── QueryError             SQL that is wrong, forbidden or over a limit
    ├── AccessError                Unauthenticated, Forbidden
    ├── NotFound                   no such function, version, alias, call or bundle
    ├── Conflict                   somebody else changed it first
    ├── DeployError                nothing changed, the old version serves on
    │   └── ImportFailed, EnvironmentFailed, DeployTimeout, BreakingChange
    ├── CallError                  the call itself could not be answered
    │   ├── CallTimeout, CallCancelled, CallInterrupted, QueueFull, RateLimited, NoCapacity, Deadlock
    │   └── ExecutorDied           OutOfMemory, NodeLost
    ├── Unavailable                a part of rayfaas is down or full; try again
    └── ProtocolError              two processes do not understand, or do not trust, each other

Each class has a stable `code`, an HTTP `status` and says whether trying again can help (`retryable`). Over HTTP an
error is an RFC 9457 problem document; `to_problem` and `from_problem` are the two directions.
"""

from __future__ import annotations

from typing import Any

PROBLEM_JSON = "application/problem+json"


class RayfaasError(Exception):
    """Base of all errors of rayfaas: catch it, or those below it that you can do something about.

    `detail` says what was wrong and what to do; `code` is stable, and `retryable` whether the same may work later.
    `extra` holds further members of the problem document that the server sent.
    """

    code: str = "internal"
    status: int = 500
    title: str = "rayfaas failed"
    retryable: bool = False

    def __init__(self, detail: str = "", /, **extra: Any) -> None:
        # Not super(): an error that is also of the type which a function raised has that type's __init__ next in line.
        Exception.__init__(self, detail or self.title)
        self.detail = detail or self.title
        self.extra: dict[str, Any] = extra

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detail, self.extra), vars(self)


class FunctionError(RayfaasError):
    """The user's function raised.

    `exception` is its class (`package.module.Name`), `message` its text, `traceback` the remote one without our frames.
    """

    code = "function_error"
    title = "The function raised an exception"

    @property
    def exception(self) -> str:
        return str(self.extra.get("exception", ""))

    @property
    def message(self) -> str:
        return str(self.extra.get("message", ""))

    @property
    def traceback(self) -> str:
        return str(self.extra.get("traceback", ""))

    def __str__(self) -> str:
        if not self.traceback:
            return self.detail
        return f"{self.detail}\n\nRemote traceback:\n{self.traceback}"


class ResultNotSerializable(FunctionError):
    code = "result_not_serializable"
    title = "The function's result can't be encoded"


class BadBatch(FunctionError):
    code = "bad_batch"
    title = "The batched function did not return a result for each item"


class BadAnswer(FunctionError):
    code = "bad_answer"
    status = 502
    title = "The application's answer can't be sent"


class BadRequest(RayfaasError):
    code = "bad_request"
    status = 400
    title = "The request is not valid"


class MalformedBody(BadRequest):
    code = "malformed_body"
    title = "The body can't be decoded"


class InvalidArguments(BadRequest):
    """The arguments do not fit the function's signature. `extra["errors"]` lists each: `loc`, `msg`, `type`."""

    code = "invalid_arguments"
    status = 422
    title = "The arguments do not fit the function"


class BodyTooLarge(BadRequest):
    code = "body_too_large"
    status = 413
    title = "The body is over the limit"


class UnsupportedMediaType(BadRequest):
    code = "unsupported_media_type"
    status = 415
    title = "The body's Content-Type is not supported"


class NotAcceptable(BadRequest):
    code = "not_acceptable"
    status = 406
    title = "None of the types in Accept can be made"


class MethodNotAllowed(BadRequest):
    """`Allow` of the answer says which methods there are."""

    code = "method_not_allowed"
    status = 405
    title = "There is no such method here"


class QueryError(BadRequest):
    code = "query_error"
    title = "The SQL query was refused or failed"


class AccessError(RayfaasError):
    code = "access"
    status = 403
    title = "Not allowed"


class Unauthenticated(AccessError):
    code = "unauthenticated"
    status = 401
    title = "A valid token is needed"


class Forbidden(AccessError):
    """The token is good, the right is missing."""

    code = "forbidden"


class NotFound(RayfaasError):
    code = "not_found"
    status = 404
    title = "No such thing"


class Conflict(RayfaasError):
    code = "conflict"
    status = 409
    title = "It was changed by somebody else"


class DeployError(RayfaasError):
    code = "deploy_failed"
    status = 422
    title = "The deploy failed; what was live is still live"


class ImportFailed(DeployError):
    """The module does not import, or does not hold the function. `extra["traceback"]` is the user's own."""

    code = "import_failed"
    title = "The function's module could not be imported"

    def __str__(self) -> str:
        remote = self.extra.get("traceback")
        return f"{self.detail}\n\n{remote}" if remote else self.detail


class EnvironmentFailed(DeployError):
    """Its packages can't be resolved or installed. `extra["output"]` is what the resolver, or a command, said."""

    code = "environment_failed"
    title = "The function's environment could not be made"

    def __str__(self) -> str:
        output = self.extra.get("output")
        return f"{self.detail}\n\n{output}" if output else self.detail


class DeployTimeout(DeployError):
    code = "deploy_timeout"
    status = 504
    title = "The deploy did not finish in time; what was live is still live"
    retryable = True


class BreakingChange(DeployError):
    """Those who called the function lately could not call it as it is now, or not read what it returns.

    `extra["breaks"]` lists what breaks them, `extra["callers"]` who they are.
    """

    code = "breaking_change"
    status = 409
    title = "The deploy would break those who call the function; what was live is still live"


class CallError(RayfaasError):
    code = "call_failed"
    status = 502
    title = "The call could not be answered"


class CallTimeout(CallError):
    code = "timeout"
    status = 504
    title = "The call ran out of time"


class CallCancelled(CallError):
    code = "cancelled"
    status = 499
    title = "The call was cancelled"


class ExecutorDied(CallError):
    """The process that ran the call ended. Not retried by rayfaas: the function may have had effects.

    `extra["output"]` are the last lines that the process wrote, where it wrote any.
    """

    code = "executor_died"
    title = "The process that ran the call ended"

    def __str__(self) -> str:
        output = self.extra.get("output")
        return f"{self.detail}\n\nIts last output:\n{output}" if output else self.detail


class OutOfMemory(ExecutorDied):
    code = "out_of_memory"
    title = "The process that ran the call had no memory left"


class NodeLost(ExecutorDied):
    """Its connection broke and no supervisor told why. It may go on running for some seconds, where it is."""

    code = "node_lost"
    title = "The node that ran the call is gone, or its supervisor or network"


class CallInterrupted(CallError):
    """Its gateway died, or was stopped. Not retried by rayfaas where it may have had effects that count once."""

    code = "interrupted"
    title = "The call was interrupted"


class QueueFull(CallError):
    code = "queue_full"
    status = 429
    title = "Too many calls are waiting"
    retryable = True


class RateLimited(CallError):
    """A limit of the caller's team, of the principal, or of the function. `extra["retry_after_s"]` says when to try."""

    code = "rate_limited"
    status = 429
    title = "A limit is reached"
    retryable = True


class NoCapacity(CallError):
    code = "no_capacity"
    status = 503
    title = "No executor came up in time"
    retryable = True


class Deadlock(CallError):
    """All executors that its function may have wait for it, or for others of their own calls."""

    code = "deadlock"
    status = 508
    title = "The call could never be answered"


class Unavailable(RayfaasError):
    code = "unavailable"
    status = 503
    title = "A part of rayfaas is not available right now"
    retryable = True


class ProtocolError(RayfaasError):
    code = "protocol_error"
    status = 502
    title = "The peer sent something that is not understood"


def _subclasses(base: type[RayfaasError]) -> dict[str, type[RayfaasError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        for code, error in _subclasses(child).items():
            found.setdefault(code, error)
    return found


BY_CODE = _subclasses(RayfaasError)


def _rebuild(kind: type[RayfaasError], detail: str, extra: dict[str, Any], /) -> RayfaasError:
    return kind(detail, **extra)


def to_problem(error: RayfaasError) -> dict[str, Any]:
    """The RFC 9457 problem document of an error."""
    return {
        "type": f"urn:rayfaas:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "retryable": error.retryable,
        **error.extra,
    }


def from_problem(problem: dict[str, Any]) -> RayfaasError:
    """The error that a problem document describes.

    An unknown `code`, of a server that is newer, gives the base class with that code, its status and `retryable`.
    """
    own = ("type", "title", "status", "detail", "code", "retryable")
    kind = BY_CODE.get(str(problem.get("code")), RayfaasError)
    error = kind(str(problem.get("detail", "")), **{k: v for k, v in problem.items() if k not in own})
    if error.code != problem.get("code"):
        told = {name: problem[name] for name in ("code", "status", "title", "retryable") if name in problem}
        vars(error).update({name: value for name, value in told.items() if type(value) is type(getattr(kind, name))})
    return error
