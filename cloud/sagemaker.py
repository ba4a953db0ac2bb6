"""Machines of Amazon SageMaker: a training job that runs our image, since that is how SageMaker lends machines.

A job's name is made of its attempt, and there is one of each name for ever: the same launch twice is one job. It can't
be stopped and started again, only ended. SageMaker itself ends it after `lifetime_s`, a day where nothing is said. That
there is no capacity is told some minutes after the launch, as the reason for which the machine is GONE.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.aws_errors import errors
from rayfaas.cloud.errors import CloudError, Refused, Unsupported
from rayfaas.cloud.machine import Claim, Instance, InstanceState, Machine, name_prefix
from rayfaas.cloud.owned import OwnedAdapter
from rayfaas.cloud.prices import Prices
from rayfaas.errors import BadRequest

DAY_S = 86_400
CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})

_CHUNK = 2_500  # characters of a hyperparameter, of which there may be 100
_UNPACK = (
    "import base64,gzip,json;h=json.load(open('/opt/ml/input/config/hyperparameters.json'));"
    "open('/tmp/boot','wb').write(gzip.decompress(base64.b64decode(''.join(h[k] for k in sorted(h)))))"
)
_STATES: dict[str, InstanceState] = {
    "InProgress": "BOOTING",
    "Stopping": "TERMINATING",
    "Stopped": "GONE",
    "Completed": "GONE",
    "Failed": "GONE",
}


class SagemakerAdapter(OwnedAdapter):
    """Training jobs in `regions`; the place of a machine is one of them, its type as `ml.g5.xlarge`.

    `image` is a container image in ECR with `sh` and `python3`, `role` the ARN under which it runs, `output` an S3
    folder (SageMaker wants one; nothing is written to it). `launch` are parameters of CreateTrainingJob that all get
    (`VpcConfig`); `options` of a machine go before them. `client` are arguments of boto3's clients, and `session` is
    one of its sessions, instead of a profile.
    """

    provider = "sagemaker"
    capabilities = Capabilities(chosen=True, stop=False, spot=True, lifetime=True)
    credentials_advice = (
        "Run `aws sts get-caller-identity`; sign in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        " The rights that are needed are in docs/clouds/sagemaker-policy.json."
    )

    def __init__(
        self,
        owner: str,
        regions: Sequence[str],
        image: str,
        role: str,
        output: str,
        launch: Mapping[str, Any] | None = None,
        profile: str | None = None,
        client: Mapping[str, Any] | None = None,
        session: boto3.Session | None = None,
        prices: Prices | None = None,
    ) -> None:
        super().__init__(owner, prices)
        self._regions, self._image, self._role, self._output = list(regions), image, role, output
        self._launch_options, self._client_options = dict(launch or {}), dict(client or {})
        self._profile, self._session = profile, session
        self._clients: dict[str, Any] = {}

    def _check(self) -> Iterable[Finding]:
        self.find()
        yield Finding("credentials, list", "ok")
        advice = "SageMaker has no dry run: attach docs/clouds/sagemaker-policy.json, and launch a small machine once."
        yield Finding("launch, terminate", "unproven", "", advice)
        advice = "See `training job usage` of the type in Service Quotas; a new account has none with GPUs."
        yield Finding("quota", "unproven", "it is told at the launch", advice)

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        region = self._region(machine.place)
        wanted = self._wanted(machine, claim)
        try:
            with errors(f"launch {machine.type} in {region}", launching=True):
                self._client(region).create_training_job(**wanted)
        except CloudError as error:
            if error.extra.get("provider_code") != "ResourceInUse":
                raise
        return self._look(f"{region}/{claim.name()}")

    def _look(self, instance_id: str) -> Instance:
        region, name = self._split(instance_id)
        try:
            with errors(f"look at {instance_id}"):
                found = self._client(region).describe_training_job(TrainingJobName=name)
                tags = self._client(region).list_tags(ResourceArn=found["TrainingJobArn"])["Tags"]
        except CloudError as error:
            if _is_missing(error):
                return Instance(instance_id, "GONE")
            raise
        return _instance(region, found, tags)

    def _list(self) -> Iterable[Instance]:
        names = [
            (region, each["TrainingJobName"])
            for region in self._regions
            for status in ("InProgress", "Stopping")
            for each in self._jobs(region, status)
        ]
        return [self._look(f"{region}/{name}") for region, name in names]

    def _of_attempt(self, machine: Machine, claim: Claim) -> Instance | None:
        found = self._look(f"{self._region(machine.place)}/{claim.name()}")
        return found if found.is_of(claim) else None

    def _start(self, instance: Instance) -> None:
        raise Unsupported(f"{instance.id} is {instance.state}: a training job can't be started again.")

    def _stop(self, instance: Instance) -> None:
        raise Unsupported(f"{instance.id} is {instance.state}: a training job can't be stopped to go on later.")

    def _terminate(self, instance: Instance) -> None:
        region, name = self._split(instance.id)
        with errors(f"terminate {instance.id}"):
            self._client(region).stop_training_job(TrainingJobName=name)

    def _jobs(self, region: str, status: str) -> list[Mapping[str, Any]]:
        with errors(f"list training jobs in {region}"):
            pages = self._client(region).get_paginator("list_training_jobs")
            found = pages.paginate(NameContains=name_prefix(self.owner), StatusEquals=status)
            return [each for page in found for each in page["TrainingJobSummaries"]]

    def _wanted(self, machine: Machine, claim: Claim) -> dict[str, Any]:
        lifetime_s = machine.lifetime_s or DAY_S
        stopping = {"MaxRuntimeInSeconds": lifetime_s}
        if machine.spot:
            stopping["MaxWaitTimeInSeconds"] = lifetime_s
        algorithm: dict[str, Any] = {"TrainingImage": machine.image or self._image, "TrainingInputMode": "File"}
        if machine.boot_script:
            algorithm["ContainerEntrypoint"] = ["sh", "-c", 'python3 -c "$0" && chmod 700 /tmp/boot && exec /tmp/boot']
            algorithm["ContainerArguments"] = [_UNPACK]
        wanted: dict[str, Any] = {
            "RoleArn": self._role,
            "AlgorithmSpecification": algorithm,
            "HyperParameters": _packed(machine.boot_script),
            "OutputDataConfig": {"S3OutputPath": self._output},
            # Without KeepAlivePeriodInSeconds: it would leave a machine behind that is paid for.
            "ResourceConfig": {"InstanceType": machine.type, "InstanceCount": 1, "VolumeSizeInGB": machine.disk_gb},
            "StoppingCondition": stopping,
            "EnableManagedSpotTraining": machine.spot,
            **self._launch_options,
            **machine.options,
        }
        tags = {each["Key"]: each["Value"] for each in wanted.get("Tags", ())} | claim.tags()
        marks = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {**wanted, "TrainingJobName": claim.name(), "Tags": marks}

    def _region(self, place: str) -> str:
        if place not in self._regions:
            raise BadRequest(
                f"{place!r} is none of the regions of sagemaker: {', '.join(self._regions)}. Add it there."
            )
        return place

    def _split(self, instance_id: str) -> tuple[str, str]:
        region, slash, name = instance_id.partition("/")
        if not slash:
            raise BadRequest(f"{instance_id!r} is no id of a machine of sagemaker: write us-east-1/rf-….")
        return region, name

    def _client(self, region: str) -> Any:
        if region not in self._clients:
            with errors("look for credentials"):
                self._session = self._session or boto3.Session(profile_name=self._profile)
                options = {"config": CONFIG, **self._client_options}
                self._clients[region] = self._session.client("sagemaker", region_name=region, **options)
        return self._clients[region]


def _packed(script: str) -> dict[str, str]:
    """A script as hyperparameters, which is what SageMaker hands to a container without a bucket in between."""
    if not script:
        return {}
    text = base64.b64encode(gzip.compress(script.encode())).decode()
    chunks = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    if len(chunks) > 100:
        raise Refused("The boot script is too long for SageMaker: 187 KB, compressed.")
    return {f"boot{number:02}": chunk for number, chunk in enumerate(chunks)}


def _instance(region: str, found: Mapping[str, Any], tags: Iterable[Mapping[str, str]]) -> Instance:
    state = _STATES.get(found["TrainingJobStatus"], "UNKNOWN")
    running = state == "BOOTING" and found.get("SecondaryStatus") in ("Training", "Uploading")
    return Instance(
        f"{region}/{found['TrainingJobName']}",
        "RUNNING" if running else state,
        {each["Key"]: each["Value"] for each in tags},
        type=found.get("ResourceConfig", {}).get("InstanceType", ""),
        place=region,
        spot=bool(found.get("EnableManagedSpotTraining")),
        reason=found.get("FailureReason", ""),
    )


def _is_missing(error: CloudError) -> bool:
    """SageMaker says it with a code that also means that the request is wrong."""
    code = error.extra.get("provider_code")
    said = error.detail.lower()
    return code == "ResourceNotFound" or (
        code == "ValidationException" and ("not found" in said or "could not find" in said)
    )
