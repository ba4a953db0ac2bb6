"""Machines of Amazon EC2.

A launch carries the attempt as its ClientToken, and the claim as tags of the instance and its disk. The SDK does not
try again by itself: it would not know that an answer which is lost may have launched a machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.aws_errors import errors
from rayfaas.cloud.errors import CloudError, Credentials, Refused
from rayfaas.cloud.machine import ATTEMPT, OWNER, Claim, Instance, InstanceState, Machine
from rayfaas.cloud.owned import OwnedAdapter
from rayfaas.cloud.prices import Price, Prices
from rayfaas.errors import BadRequest

# Ubuntu with NVIDIA's driver, kept by AWS: https://docs.aws.amazon.com/dlami/latest/devguide/find-dlami-id.html
IMAGE = "ssm:/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})

# vCPUs of running on-demand machines of the families G and VT: https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
_GPU_QUOTA = "L-DB2E81BA"
_STATES: dict[str, InstanceState] = {
    "pending": "BOOTING",
    "running": "RUNNING",
    "stopping": "STOPPING",
    "stopped": "STOPPED",
    "shutting-down": "TERMINATING",
    "terminated": "GONE",
}


class AwsAdapter(OwnedAdapter):
    """EC2 machines in `regions`; the place of a machine is one of them or a zone in one.

    `launch` are parameters of RunInstances that all machines get (KeyName, SubnetId, SecurityGroupIds,
    IamInstanceProfile); `options` of a machine go before them. `client` are arguments of boto3's clients, and
    `session` is one of its sessions, instead of a profile.
    """

    provider = "aws"
    capabilities = Capabilities(chosen=True, spot=True)
    credentials_advice = (
        "Run `aws sts get-caller-identity`; sign in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        " The rights that are needed are in docs/clouds/aws-policy.json."
    )

    def __init__(
        self,
        owner: str,
        regions: Sequence[str],
        image: str = IMAGE,
        launch: Mapping[str, Any] | None = None,
        profile: str | None = None,
        client: Mapping[str, Any] | None = None,
        session: boto3.Session | None = None,
        prices: Prices | None = None,
    ) -> None:
        super().__init__(owner, prices)
        self._regions, self._image, self._launch_options = list(regions), image, dict(launch or {})
        self._profile, self._client_options = profile, dict(client or {})
        self._session = session
        self._clients: dict[tuple[str, str], Any] = {}

    def price(self, machine: Machine) -> Price | None:
        """Of a spot machine the newest in its market, where that can be asked; else that of the table."""
        if not machine.spot or self._prices.own(self.provider, machine):
            return super().price(machine)
        region = self._region(machine.place)
        zone = {} if machine.place == region else {"AvailabilityZone": machine.place}
        try:
            with errors("ask for spot prices"):
                found = self._ec2(region).describe_spot_price_history(
                    InstanceTypes=[machine.type], ProductDescriptions=["Linux/UNIX"], MaxResults=20, **zone
                )["SpotPriceHistory"]
        except CloudError:
            return super().price(machine)
        newest = max(found, key=lambda each: each["Timestamp"], default=None)
        if newest is None:
            return super().price(machine)
        return Price(float(newest["SpotPrice"]), newest["Timestamp"].date().isoformat(), "provider")

    def _check(self) -> Iterable[Finding]:
        with errors("ask who this is"):
            yield Finding("credentials", "ok", self._client("sts", self._regions[0]).get_caller_identity()["Arn"])
        mine = self.find()
        for region in self._regions:
            yield self._may_launch(region)
            example = next((each.id for each in mine if each.place.startswith(region)), None)
            for verb in ("start_instances", "stop_instances", "terminate_instances"):
                yield self._may_change(region, verb, example)
            yield self._quota(region)

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        region = self._region(machine.place)
        wanted = self._wanted(region, machine, claim)
        with errors(f"launch {machine.type} in {machine.place}", launching=True):
            answer = self._ec2(region).run_instances(**wanted)
        return _instance(region, answer["Instances"][0])

    def _look(self, instance_id: str) -> Instance:
        region, key = self._split(instance_id)
        try:
            with errors(f"look at {instance_id}"):
                found = self._ec2(region).describe_instances(InstanceIds=[key])["Reservations"]
        except CloudError as error:
            if str(error.extra.get("provider_code")).startswith("InvalidInstanceID"):
                return Instance(instance_id, "GONE")
            raise
        instances = [each for reservation in found for each in reservation["Instances"]]
        return _instance(region, instances[0]) if instances else Instance(instance_id, "GONE")

    def _list(self) -> Iterable[Instance]:
        return [each for region in self._regions for each in self._tagged(region, OWNER, self.owner)]

    def _of_attempt(self, machine: Machine, claim: Claim) -> Instance | None:
        found = self._tagged(self._region(machine.place), ATTEMPT, claim.attempt)
        return next((each for each in found if each.is_of(claim)), None)

    def _start(self, instance: Instance) -> None:
        region, key = self._split(instance.id)
        with errors(f"start {instance.id}"):
            self._ec2(region).start_instances(InstanceIds=[key])

    def _stop(self, instance: Instance) -> None:
        region, key = self._split(instance.id)
        with errors(f"stop {instance.id}"):
            self._ec2(region).stop_instances(InstanceIds=[key])

    def _terminate(self, instance: Instance) -> None:
        region, key = self._split(instance.id)
        with errors(f"terminate {instance.id}"):
            self._ec2(region).terminate_instances(InstanceIds=[key])

    def _tagged(self, region: str, key: str, value: str) -> list[Instance]:
        filters = [
            {"Name": f"tag:{key}", "Values": [value]},
            {"Name": "instance-state-name", "Values": [each for each in _STATES if each != "terminated"]},
        ]
        with errors(f"list machines in {region}"):
            pages = self._ec2(region).get_paginator("describe_instances").paginate(Filters=filters)
            return [
                _instance(region, each)
                for page in pages
                for reservation in page["Reservations"]
                for each in reservation["Instances"]
            ]

    def _wanted(self, region: str, machine: Machine, claim: Claim) -> dict[str, Any]:
        image, disk = self._image_of(region, machine)
        wanted: dict[str, Any] = {
            "ImageId": image,
            "InstanceType": machine.type,
            "BlockDeviceMappings": [
                {
                    "DeviceName": disk,
                    "Ebs": {"VolumeSize": machine.disk_gb, "VolumeType": "gp3", "DeleteOnTermination": True},
                }
            ],
            # Containers are one hop further away: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-IMDS-new-instances.html
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
            "UserData": machine.boot_script,
        }
        if machine.place != region:
            wanted["Placement"] = {"AvailabilityZone": machine.place}
        if machine.spot:
            wanted["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
        else:
            wanted["InstanceInitiatedShutdownBehavior"] = machine.on_shutdown
        wanted |= {**self._launch_options, **machine.options}
        # Nobody's options make it a machine that is not known as ours, or more than one.
        once = {"MinCount": 1, "MaxCount": 1, "ClientToken": claim.attempt}
        return {**wanted, **once, "TagSpecifications": _tags(claim, wanted.get("TagSpecifications", ()))}

    def _image_of(self, region: str, machine: Machine) -> tuple[str, str]:
        """The id of the image, and what its first disk is called."""
        image = machine.image or self._image
        with errors(f"look for the image {image} in {region}"):
            if image.startswith("ssm:"):
                found = self._client("ssm", region).get_parameter(Name=image.removeprefix("ssm:"))
                image = found["Parameter"]["Value"]
            images = self._ec2(region).describe_images(ImageIds=[image])["Images"]
        if not images:
            raise Refused(f"There is no image {image} in {region}.")
        return image, images[0]["RootDeviceName"]

    def _may_launch(self, region: str) -> Finding:
        what = f"launch in {region}"
        claim = Claim(self.owner, "check", "check", "check")
        try:
            wanted = self._wanted(region, Machine("t3.micro", region), claim)
            return _dry_run(what, lambda: self._ec2(region).run_instances(DryRun=True, **wanted))
        except (Refused, Credentials) as error:
            return Finding(
                what, "failed", error.detail, "Set `image` of aws, and allow ssm:GetParameter and ec2:DescribeImages."
            )

    def _may_change(self, region: str, verb: str, instance_id: str | None) -> Finding:
        what = f"{verb.partition('_')[0]} in {region}"
        if instance_id is None:
            advice = "It is proved as soon as a machine runs there: the policy allows it for tagged machines only."
            return Finding(what, "unproven", "no machine of this owner is there to ask about", advice)
        key = self._split(instance_id)[1]
        return _dry_run(what, lambda: getattr(self._ec2(region), verb)(InstanceIds=[key], DryRun=True))

    def _quota(self, region: str) -> Finding:
        what = f"quota of GPU machines in {region}"
        advice = f"Ask for more of {_GPU_QUOTA} in AWS Service Quotas; a new account has none."
        try:
            with errors("ask for quotas"):
                answer = self._client("service-quotas", region).get_service_quota(
                    ServiceCode="ec2", QuotaCode=_GPU_QUOTA
                )
        except CloudError as error:
            return Finding(what, "unproven", error.detail, "Allow servicequotas:GetServiceQuota to see it here.")
        vcpus = answer["Quota"]["Value"]
        return Finding(what, "ok" if vcpus else "failed", f"{vcpus:g} vCPUs of types G and VT", "" if vcpus else advice)

    def _region(self, place: str) -> str:
        """The region of a place. A machine elsewhere would not be found again, so there is none."""
        region = max((each for each in self._regions if place.startswith(each)), key=len, default=None)
        if region is None:
            raise BadRequest(f"{place!r} is in none of the regions of aws: {', '.join(self._regions)}. Add it there.")
        return region

    def _split(self, instance_id: str) -> tuple[str, str]:
        region, slash, key = instance_id.partition("/")
        if not slash:
            raise BadRequest(f"{instance_id!r} is no id of a machine of aws: write us-east-1/i-0123456789abcdef0.")
        return region, key

    def _ec2(self, region: str) -> Any:
        return self._client("ec2", region)

    def _client(self, service: str, region: str) -> Any:
        """Made when it is first needed: that alone reads files and may ask for credentials."""
        if (service, region) not in self._clients:
            with errors("look for credentials"):
                self._session = self._session or boto3.Session(profile_name=self._profile)
                options = {"config": CONFIG, **self._client_options}
                self._clients[service, region] = self._session.client(service, region_name=region, **options)
        return self._clients[service, region]


def _instance(region: str, found: Mapping[str, Any]) -> Instance:
    tags = {each["Key"]: each["Value"] for each in found.get("Tags", [])}
    return Instance(
        f"{region}/{found['InstanceId']}",
        _STATES.get(found["State"]["Name"], "UNKNOWN"),
        tags,
        found.get("PublicIpAddress") or None,
        found.get("PrivateIpAddress") or None,
        found["InstanceType"],
        found.get("Placement", {}).get("AvailabilityZone", region),
        found.get("InstanceLifecycle") == "spot",
        found.get("StateReason", {}).get("Code", ""),
    )


def _tags(claim: Claim, given: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The user's, and ours on what is paid for."""
    named = {"Name": claim.name()}
    tags = {each["ResourceType"]: {tag["Key"]: tag["Value"] for tag in each.get("Tags", ())} for each in given}
    tags |= {kind: {**named, **tags.get(kind, {}), **claim.tags()} for kind in ("instance", "volume")}
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in each.items()]}
        for kind, each in tags.items()
    ]


def _dry_run(what: str, ask: Callable[[], object]) -> Finding:
    """AWS answers a dry run with an error that says whether it would have been allowed."""
    try:
        with errors(what):
            ask()
    except CloudError as error:
        if error.extra.get("provider_code") == "DryRunOperation":
            return Finding(what, "ok")
        return Finding(what, "failed", error.detail, "Attach docs/clouds/aws-policy.json to this user or role.")
    return Finding(what, "ok")
