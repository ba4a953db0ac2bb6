"""EC2 as moto plays it, behind microburst, which breaks it, with the real SDK."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from rayfaas.cloud.aws import AwsAdapter
from rayfaas.cloud.aws_errors import from_code
from rayfaas.cloud.errors import (
    Ambiguous,
    Capacity,
    CloudError,
    Credentials,
    NotReady,
    Refused,
    Unreachable,
    Unsupported,
)
from rayfaas.cloud.machine import Claim, Machine
from rayfaas.cloud.prices import Price, Prices
from rayfaas.errors import BadRequest
from tests.cloud.conformance import OWNER, Conformance, Failing, claim
from tests.cloud.conftest import Aws
from tests.cloud.servers import dead_url

REGION = "us-east-1"
IMAGE = "ami-03cf127a"  # Ubuntu, of those that moto has

ERRORS: dict[Failing, list[dict[str, Any]]] = {
    "capacity": [{"operation": each, "error": {"code": "InsufficientInstanceCapacity", "status": 500}}
                 for each in ("RunInstances", "StartInstances")],
    "quota": [{"operation": "RunInstances", "error": {"code": "VcpuLimitExceeded", "status": 400}}],
    "credentials": [{"error": {"code": "AuthFailure", "status": 401}}],
    "throttled": [{"error": {"code": "RequestLimitExceeded", "status": 503}}],
    "down": [{"reset": True}],
    "lost": [{"operation": "RunInstances", "times": 1, "response": {"abort_bytes": 0}}],
}  # fmt: skip


class Ec2:
    machine = Machine("g5.xlarge", REGION, image=IMAGE, disk_gb=50)

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.direct = aws.session.client("ec2", region_name=REGION, endpoint_url=aws.moto)

    def adapter(self, owner: str = OWNER, **settings: Any) -> AwsAdapter:
        settings = {"regions": [REGION], "image": IMAGE, **settings}
        return AwsAdapter(owner, client={"endpoint_url": self.aws.proxy}, session=self.aws.session, **settings)

    def fail(self, failing: Failing) -> None:
        self.aws.break_it(*({"service": "*", **rule} for rule in ERRORS[failing]))

    def heal(self) -> None:
        self.aws.break_it()

    def settle(self) -> None:
        """moto is always there already."""

    def vanish(self, instance_id: str) -> None:
        self.direct.terminate_instances(InstanceIds=[instance_id.partition("/")[2]])

    def instances(self) -> list[dict[str, Any]]:
        found = self.direct.describe_instances()["Reservations"]
        every = [each for reservation in found for each in reservation["Instances"]]
        return [each for each in every if each["State"]["Name"] != "terminated"]

    def count(self) -> int:
        return len(self.instances())


@pytest.fixture
def provider(aws: Aws) -> Ec2:
    """Without machines: to have moto forget all takes longer than to terminate them."""
    ec2 = Ec2(aws)
    for each in ec2.instances():
        ec2.direct.terminate_instances(InstanceIds=[each["InstanceId"]])
    return ec2


class TestAws(Conformance):
    own_tags = MappingProxyType(
        {
            "MaxCount": 2,
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "vision"}]}],
        }
    )

    @pytest.fixture
    def provider(self, provider: Ec2) -> Ec2:
        return provider


def test_a_launch_says_all_that_it_needs_to(provider: Ec2) -> None:
    machine = Machine("g5.xlarge", f"{REGION}a", boot_script="#!/bin/sh\n", options={"EbsOptimized": True})
    made = provider.adapter(launch={"KeyName": "none", "EbsOptimized": False}).create(machine, mine := claim())
    (found,) = provider.instances()
    assert found["ClientToken"] == mine.attempt
    assert (found["KeyName"], found["EbsOptimized"]) == ("none", True)
    assert {each["Key"]: each["Value"] for each in found["Tags"]}["Name"] == mine.name()
    assert (made.place, made.type, made.spot) == (f"{REGION}a", "g5.xlarge", False)
    (volume,) = [each for each in provider.direct.describe_volumes()["Volumes"] if claim_of(each) == mine]
    assert (volume["Size"], volume["VolumeType"]) == (100, "gp3")


def test_a_spot_machine_ends_for_good(provider: Ec2) -> None:
    adapter = provider.adapter()
    made = adapter.create(Machine("g5.xlarge", REGION, spot=True), claim())
    assert made.spot
    with pytest.raises(Unsupported, match="spot"):
        adapter.stop(made.id)


def test_machines_of_all_regions_are_found(provider: Ec2) -> None:
    adapter = provider.adapter(regions=[REGION, "us-east-2"])
    made = [adapter.create(Machine("g5.xlarge", place), claim()) for place in (REGION, "us-east-2")]
    assert {each.id for each in adapter.find()} == {each.id for each in made}


def test_a_place_outside_the_regions_is_refused_before_anything_is_sent(provider: Ec2) -> None:
    with pytest.raises(BadRequest, match="regions of aws"):
        provider.adapter().create(Machine("g5.xlarge", "eu-west-1a"), claim())


def test_an_image_that_is_not_there_is_refused(provider: Ec2) -> None:
    with pytest.raises(Refused) as raised:
        provider.adapter().create(Machine("g5.xlarge", REGION, image="ami-00000000"), claim())
    assert raised.value.then == "next"
    assert provider.count() == 0


def test_capacity_in_one_zone_is_none_of_another(provider: Ec2) -> None:
    full = {"service": "ec2", **ERRORS["capacity"][0], "body": f"\"Placement.AvailabilityZone\" == '{REGION}a'"}
    provider.aws.break_it(full)
    with pytest.raises(Capacity):
        provider.adapter().create(Machine("g5.xlarge", f"{REGION}a"), claim())
    assert provider.adapter().create(Machine("g5.xlarge", f"{REGION}b"), claim()).place == f"{REGION}b"


def test_spot_prices_are_those_of_the_market(provider: Ec2) -> None:
    price = provider.adapter().price(Machine("g5.xlarge", f"{REGION}a", spot=True))
    assert price is not None
    assert (price.source, price.usd_per_hour > 0) == ("provider", True)


def test_the_users_price_goes_before_the_market(provider: Ec2) -> None:
    adapter = provider.adapter(prices=Prices({"aws/us-east-1/g5.xlarge/spot": 0.3}))
    assert adapter.price(Machine("g5.xlarge", f"{REGION}a", spot=True)) == Price(0.3, "", "user")


def test_check_proves_each_right_with_a_machine(provider: Ec2) -> None:
    adapter = provider.adapter()
    before = {each.what: each.result for each in adapter.check()}
    assert before["launch in us-east-1"] == "ok"
    assert before["terminate in us-east-1"] == "unproven"
    adapter.create(provider.machine, claim())
    after = {each.what: each.result for each in adapter.check()}
    assert {after[f"{verb} in us-east-1"] for verb in ("start", "stop", "terminate")} == {"ok"}


def test_check_tells_which_right_is_missing(provider: Ec2) -> None:
    provider.aws.break_it({"operation": "RunInstances", "error": {"code": "UnauthorizedOperation", "status": 403}})
    failed = [each for each in provider.adapter().check() if each.result == "failed"]
    assert [each.what for each in failed] == ["launch in us-east-1"]
    assert "aws-policy.json" in failed[0].advice


def test_without_credentials_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    adapter = AwsAdapter(OWNER, [REGION], client={"endpoint_url": dead_url()})
    with pytest.raises(Credentials):
        adapter.find()


def test_nobody_at_the_address_is_unreachable(aws: Aws) -> None:
    adapter = AwsAdapter(OWNER, [REGION], client={"endpoint_url": dead_url()}, session=aws.session)
    with pytest.raises(Unreachable):
        adapter.create(Machine("g5.xlarge", REGION), claim())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InsufficientInstanceCapacity", 500, Capacity),
        ("InvalidAMIID.NotFound", 400, Refused),
        ("InternalError", 500, Ambiguous),
        ("Unavailable", 503, Ambiguous),
        ("IncorrectInstanceState", 400, NotReady),
        ("SomethingNew", 400, CloudError),
    ],
)
def test_what_a_code_means_for_a_launch(code: str, status: int, kind: type[CloudError]) -> None:
    assert from_code(code, status, launching=True) is kind


def claim_of(found: dict[str, Any]) -> Claim | None:
    return Claim.of({each["Key"]: each["Value"] for each in found.get("Tags", [])})
