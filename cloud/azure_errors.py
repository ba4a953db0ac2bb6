"""What the error codes of Azure mean: https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors"""

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
        "AllocationFailed",
        "OverconstrainedAllocationRequest",
        "OverconstrainedZonalAllocationRequest",
        "SkuNotAvailable",
        "SpotPriceTooLow",
        "ZonalAllocationFailed",
    },
    Quota: {"QuotaExceeded", "OperationNotAllowedByQuota", "LowPriorityQuotaExceeded"},
    Credentials: {
        "AuthorizationFailed",
        "ExpiredAuthenticationToken",
        "InvalidAuthenticationToken",
        "InvalidAuthenticationTokenTenant",
        "LinkedAuthorizationFailed",
        "SubscriptionNotFound",
        "ReadOnlyDisabledSubscription",
    },
    Throttled: {"OperationNotAllowedThrottled", "SubscriptionRequestsThrottled", "TooManyRequests"},
    NotReady: {"AnotherOperationInProgress", "Conflict", "OperationPreempted", "RetryableError"},
}
_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes}


def from_code(
    code: str, status: int, message: str, launching: bool, otherwise: type[CloudError] = Refused
) -> type[CloudError]:
    """The kind of an error. That of a quota is told by its message only, under a code that means much else.

    >>> from_code("OperationNotAllowed", 409, "… exceeding approved standardNCFamily Cores quota …", True).__name__
    'Quota'
    """
    if code in _KINDS:
        return _KINDS[code]
    if code == "OperationNotAllowed" and "quota" in message.lower():
        return Quota
    if status in (401, 403):
        return Credentials
    if status == 429:
        return Throttled
    if status >= 500:
        return Ambiguous if launching else Unreachable
    return otherwise if status in (200, 400, 404, 409, 412) else CloudError
