"""Machines of Lambda (Lambda Labs), over its HTTP API: https://docs.lambda.ai/api/cloud

There are no idempotency keys: a launch is preceded by a look for the attempt's tag, and one whose answer is lost is
`Ambiguous`. Machines can't be stopped, only terminated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.errors import (
    Ambiguous,
    Capacity,
    CloudError,
    Credentials,
    Quota,
    Refused,
    Throttled,
    Unreachable,
    Unsupported,
)
from rayfaas.cloud.machine import Claim, Instance, InstanceState, Machine
from rayfaas.cloud.owned import OwnedAdapter
from rayfaas.cloud.prices import Price, Prices

URL = "https://cloud.lambda.ai/api/v1"
KEY_FILE = "~/.lambda_cloud/lambda_keys"

_TIMEOUT = httpx.Timeout(30, connect=5)
_STATES: dict[str, InstanceState] = {
    "booting": "BOOTING",
    "active": "RUNNING",
    "unhealthy": "RUNNING",  # and paid for
    "terminating": "TERMINATING",
    "terminated": "GONE",
    "preempted": "GONE",
}
_CODES: dict[str, type[CloudError]] = {
    "instance-operations/launch/insufficient-capacity": Capacity,
    "global/quota-exceeded": Quota,
    "global/invalid-api-key": Credentials,
    "global/account-inactive": Credentials,
    "global/invalid-address": Credentials,
    "global/invalid-parameters": Refused,
    "global/object-does-not-exist": Refused,
}


class LambdaLabsAdapter(OwnedAdapter):
    """Machines of an account; the place of a machine is a region (`us-east-1`).

    `ssh_keys` are the names of keys in the account. `key_file` holds a line `api_key = …`. `options` of a machine are
    fields of the launch (`file_system_names`).
    """

    provider = "lambda_labs"
    capabilities = Capabilities(chosen=True, stop=False)
    credentials_advice = f"Make a key at https://cloud.lambda.ai/api-keys and write `api_key = …` into {KEY_FILE}."

    def __init__(
        self,
        owner: str,
        ssh_keys: Sequence[str],
        key_file: str | Path = KEY_FILE,
        url: str = URL,
        prices: Prices | None = None,
    ) -> None:
        super().__init__(owner, prices)
        self._ssh_keys, self._key_file = list(ssh_keys), Path(key_file).expanduser()
        self._url = url

    def price(self, machine: Machine) -> Price | None:
        """Lambda's own, where it can be asked."""
        if self._prices.own(self.provider, machine):
            return super().price(machine)
        try:
            answer, today = self._request("GET", "/instance-types")
        except CloudError:
            return super().price(machine)
        found = answer.get(machine.type)
        if found is None:
            return super().price(machine)
        return Price(found["instance_type"]["price_cents_per_hour"] / 100, today, "provider")

    def _check(self) -> Iterable[Finding]:
        self.find()
        yield Finding("credentials", "ok")
        yield Finding("launch, terminate", "ok", "a key of Lambda may do all that its account may")
        keys, _ = self._request("GET", "/ssh-keys")
        missing = sorted(set(self._ssh_keys) - {each["name"] for each in keys})
        if missing:
            advice = "Add them at https://cloud.lambda.ai/ssh-keys, or set `ssh_keys` to those that are there."
            yield Finding("ssh keys", "failed", f"not in the account: {', '.join(missing)}", advice)
        yield Finding("quota", "unproven", "Lambda tells of it only when it is used up", "See your account's limits.")

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        body: dict[str, Any] = {
            "region_name": machine.place,
            "instance_type_name": machine.type,
            "ssh_key_names": self._ssh_keys,
        }
        if machine.boot_script:
            body["user_data"] = machine.boot_script
        if machine.image:
            body["image"] = {"family": machine.image}
        body |= machine.options
        tags = {each["key"]: each["value"] for each in body.get("tags", ())} | claim.tags()
        body |= {"name": claim.name(), "tags": [{"key": key, "value": value} for key, value in tags.items()]}
        answer, _ = self._request("POST", "/instance-operations/launch", body, launching=True)
        key = answer["instance_ids"][0]
        # It is there, whatever becomes of this look at it.
        return Instance(key, "BOOTING", claim.tags(), type=machine.type, place=machine.place)

    def _look(self, instance_id: str) -> Instance:
        try:
            return _instance(self._request("GET", f"/instances/{instance_id}")[0])
        except Refused as error:
            if error.extra.get("provider_code") == "global/object-does-not-exist":
                return Instance(instance_id, "GONE")
            raise

    def _list(self) -> Iterable[Instance]:
        return [_instance(each) for each in self._request("GET", "/instances")[0]]

    def _start(self, instance: Instance) -> None:
        raise Unsupported(f"{instance.id} is {instance.state}: Lambda has no machines that could be started.")

    def _stop(self, instance: Instance) -> None:
        raise Unsupported(f"{instance.id} is {instance.state}: Lambda can't stop machines.")

    def _terminate(self, instance: Instance) -> None:
        self._request("POST", "/instance-operations/terminate", {"instance_ids": [instance.id]})

    def _request(self, method: str, path: str, body: Any = None, launching: bool = False) -> tuple[Any, str]:
        """What Lambda answers, and the date on which it does."""
        doing = f"{method} {path}"
        try:
            headers = {"Authorization": f"Bearer {self._key()}"}
            answer = httpx.request(method, f"{self._url}{path}", json=body, headers=headers, timeout=_TIMEOUT)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"Lambda: {doing}: {error}") from error
        except httpx.TransportError as error:
            kind = Ambiguous if launching else Unreachable
            raise kind(f"Lambda: {doing}: the answer was lost: {error!r}") from error
        if answer.is_success:
            return answer.json()["data"], _date(answer.headers.get("Date"))
        raise _of_answer(answer, doing, launching)

    def _key(self) -> str:
        try:
            lines = self._key_file.read_text().splitlines()
        except OSError as error:
            raise Credentials(f"Lambda: {self._key_file} can't be read: {error.strerror}") from None
        keys = [line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "api_key"]
        if not keys or not keys[0]:
            raise Credentials(f"Lambda: {self._key_file} has no line `api_key = …`.")
        return keys[0]


def _instance(found: Mapping[str, Any]) -> Instance:
    return Instance(
        found["id"],
        _STATES.get(found["status"], "UNKNOWN"),
        {each["key"]: each["value"] for each in found.get("tags", [])},
        found.get("ip"),
        found.get("private_ip"),
        found.get("instance_type", {}).get("name", ""),
        found.get("region", {}).get("name", ""),
        reason=found["status"] if found["status"] in ("unhealthy", "preempted") else "",
    )


def _of_answer(answer: httpx.Response, doing: str, launching: bool) -> CloudError:
    try:
        error = answer.json()["error"]
        code, message = str(error["code"]), f"{error['message']} {error.get('suggestion', '')}".strip()
    except (ValueError, KeyError, TypeError):
        code, message = "", answer.text[:200]
    kind = _CODES.get(code) or _of_status(answer.status_code, launching)
    return kind(f"Lambda: {doing}: {message} ({code or answer.status_code})", provider_code=code)


def _of_status(status: int, launching: bool) -> type[CloudError]:
    if status >= 500:
        return Ambiguous if launching else Unreachable
    return {401: Credentials, 403: Credentials, 429: Throttled}.get(status, Refused)


def _date(header: str | None) -> str:
    return parsedate_to_datetime(header).date().isoformat() if header else ""
