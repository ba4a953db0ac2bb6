"""What the errors of boto3 mean: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

from rayfaas.cloud.errors import (
    Ambiguous,
    Capacity,
    CloudError,
    Credentials,
    NotReady,
    Quota,
    Refused,
    Throttled,
    Unreachable,
)

_CODES: dict[type[CloudError], set[str]] = {
    Capacity: {
        "CapacityError",
        "InsufficientCapacity",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "InsufficientReservedInstanceCapacity",
        "SpotMaxPriceTooLow",
    },
    Quota: {
        "InstanceLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "ResourceLimitExceeded",
        "VcpuLimitExceeded",
        "VolumeLimitExceeded",
    },
    Credentials: {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "Blocked",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "OptInRequired",
        "PendingVerification",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    },
    Throttled: {
        "EC2ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    },
    NotReady: {"IncorrectInstanceState", "IncorrectState", "ResourceInUse"},
    # The zone does not have that type, or the image not its architecture.
    Refused: {"MissingParameter", "ParameterNotFound", "Unsupported", "UnsupportedOperation", "ValidationException"},
}
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound, SSOError)
_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes}


@contextmanager
def errors(doing: str, launching: bool = False) -> Iterator[None]:
    """The SDK's errors as ours."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, doing, launching) from error
    except _NO_CREDENTIALS as error:
        raise Credentials(f"AWS: can't {doing}: {error}") from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        raise Unreachable(f"AWS: can't {doing}: {error}") from error
    except HTTPClientError as error:
        kind = Ambiguous if launching else Unreachable
        raise kind(f"AWS: tried to {doing}, and the answer was lost: {error}") from error
    except BotoCoreError as error:
        raise Refused(f"AWS: can't {doing}: {error}") from error


def _of_answer(error: ClientError, doing: str, launching: bool) -> CloudError:
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 400)
    detail = f"AWS: can't {doing}: {error.response['Error'].get('Message', '')} ({code})"
    return from_code(code, status, launching)(detail, provider_code=code)


def from_code(code: str, status: int, launching: bool) -> type[CloudError]:
    """The kind of an error. One of the server's own, of which nobody knows what it did, leaves a launch open.

    >>> from_code("VcpuLimitExceeded", 400, True).__name__, from_code("InternalError", 500, True).__name__
    ('Quota', 'Ambiguous')
    """
    if code in _KINDS:
        return _KINDS[code]
    if status >= 500:
        return Ambiguous if launching else Unreachable
    return Refused if code.startswith("Invalid") else CloudError
