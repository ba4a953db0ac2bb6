"""How a provider can refuse, in one tree; each class says what whoever asked may do next.

    CloudError               of a kind that nobody foresaw: a person has to look
    ├── Capacity             none of these machines is free there now            → next placement
    ├── Quota                the account may have no more of them in that region → next placement, and a person
    ├── Refused              what is asked for does not exist there              → next placement, and a person
    ├── Credentials          not known, expired, or without the right            → next cloud, and a person
    ├── Throttled            too many requests; nothing was done                 → the same again, later
    ├── NotReady             the machine is between two states                   → the same again, later
    ├── Unreachable          nobody answers; nothing was done                    → the same again, later
    ├── Ambiguous            sent, and the answer was lost: it may have happened → the same again, with the same attempt
    ├── Foreign              not tagged as this owner's; nothing was sent        → never, and a person
    └── Unsupported          this provider can't do that at all                  → never

`then` is "next", "again" or "never", `blocks` how far away the next placement has to be ("placement", "region",
"cloud"), and `person` whether somebody has to be told. Only after `Ambiguous` would another placement be a mistake that
costs money: `create` with the same attempt finds what is there.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from rayfaas.errors import RayfaasError

Then = Literal["next", "again", "never"]
Scope = Literal["placement", "region", "cloud"]


class CloudError(RayfaasError):
    """Base of all errors of adapters. `extra["provider_code"]` is the provider's own word, where it has one."""

    code = "cloud_error"
    status = 502
    title = "The cloud provider answered with an error"
    then: ClassVar[Then] = "never"
    blocks: ClassVar[Scope | None] = None
    person: ClassVar[bool] = True


class Capacity(CloudError):
    code = "cloud_capacity"
    status = 503
    title = "The provider has none of these machines free"
    then = "next"
    blocks = "placement"
    person = False


class Quota(CloudError):
    """`extra["provider_code"]` says which limit; where it is raised is in the provider's page in docs/clouds."""

    code = "cloud_quota"
    status = 503
    title = "The account's quota is used up"
    then = "next"
    blocks = "region"


class Refused(CloudError):
    code = "cloud_refused"
    status = 422
    title = "The provider knows no such machine, image or network"
    then = "next"
    blocks = "placement"


class Credentials(CloudError):
    """Machines that run may be impossible to stop as long as this lasts: it is always an alarm."""

    code = "cloud_credentials"
    title = "The provider does not accept the credentials"
    then = "next"
    blocks = "cloud"


class Throttled(CloudError):
    code = "cloud_throttled"
    status = 503
    title = "The provider wants fewer requests"
    retryable = True
    then = "again"
    person = False


class NotReady(CloudError):
    code = "cloud_not_ready"
    status = 409
    title = "The machine is between two states"
    retryable = True
    then = "again"
    person = False


class Unreachable(CloudError):
    code = "cloud_unreachable"
    status = 503
    title = "The provider does not answer"
    retryable = True
    then = "again"
    person = False


class Ambiguous(CloudError):
    code = "cloud_ambiguous"
    status = 503
    title = "The provider's answer was lost; what was asked may have happened"
    retryable = True
    then = "again"
    person = False


class Foreign(CloudError):
    code = "cloud_foreign"
    status = 403
    title = "The machine is not this installation's"


class Unsupported(CloudError):
    code = "cloud_unsupported"
    status = 422
    title = "The provider can't do that"
    person = False
