"""What the error codes of AWS mean: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""

from __future__ import annotations

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
_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes}


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
