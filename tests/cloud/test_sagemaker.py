"""SageMaker as moto plays it, behind microburst, with the real SDK. moto's jobs are done at once and can't be stopped:
here they go on until they are."""

from __future__ import annotations

import base64
import gzip
from types import MappingProxyType
from typing import Any

import pytest
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.sagemaker import sagemaker_backends
from moto.sagemaker.models import FakeTrainingJob, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from rayfaas.cloud.machine import Machine
from rayfaas.cloud.sagemaker import SagemakerAdapter
from rayfaas.errors import BadRequest
from tests.cloud.conformance import OWNER, Conformance, Failing, claim
from tests.cloud.conftest import Aws

REGION = "us-east-1"
ERRORS: dict[Failing, dict[str, Any]] = {
    "quota": {"operation": "CreateTrainingJob", "error": {"code": "ResourceLimitExceeded", "status": 400}},
    "credentials": {"error": {"code": "AccessDeniedException", "status": 400}},
    "throttled": {"error": {"code": "ThrottlingException", "status": 400}},
    "down": {"reset": True},
    "lost": {"operation": "CreateTrainingJob", "times": 1, "response": {"abort_bytes": 0}},
}


class Sagemaker:
    machine = Machine("ml.g5.xlarge", REGION)

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.jobs: dict[str, FakeTrainingJob] = sagemaker_backends["123456789012"][REGION].training_jobs

    def adapter(self, owner: str = OWNER) -> SagemakerAdapter:
        client, role = {"endpoint_url": self.aws.proxy}, "arn:aws:iam::123456789012:role/rayfaas"
        return SagemakerAdapter(owner, [REGION], "image", role, "s3://b/o", client=client, session=self.aws.session)

    def fail(self, failing: Failing) -> None:
        self.aws.break_it({"service": "*", **ERRORS[failing]})

    def heal(self) -> None:
        self.aws.break_it()

    def settle(self) -> None:
        for job in self.jobs.values():
            if job.training_job_status == "Stopping":
                job.training_job_status = job.secondary_status = "Stopped"
            elif job.training_job_status == "InProgress":
                job.secondary_status = "Training"

    def vanish(self, instance_id: str) -> None:
        self.jobs[instance_id.partition("/")[2]].training_job_status = "Failed"

    def count(self) -> int:
        return sum(each.training_job_status in ("InProgress", "Stopping") for each in self.jobs.values())


@pytest.fixture
def provider(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Sagemaker:
    complete, create = FakeTrainingJob.__init__, SageMakerModelBackend.create_training_job

    def going_on(self: Any, *args: Any, **kwargs: Any) -> None:
        complete(self, *args, **kwargs)
        self.training_job_status, self.secondary_status = "InProgress", "Starting"

    def once(self: Any, training_job_name: str, **kwargs: Any) -> Any:
        if training_job_name in self.training_jobs:
            raise JsonRESTError("ResourceInUse", "Training job names must be unique within an account and region.")
        return create(self, training_job_name=training_job_name, **kwargs)

    def stop(self: Any) -> ActionResult:
        job = self.sagemaker_backend.training_jobs[self._get_param("TrainingJobName")]
        job.training_job_status = job.secondary_status = "Stopping"
        return ActionResult({})

    monkeypatch.setattr(FakeTrainingJob, "__init__", going_on)
    monkeypatch.setattr(SageMakerModelBackend, "create_training_job", once)
    monkeypatch.setattr(SageMakerResponse, "stop_training_job", stop, raising=False)
    sagemaker = Sagemaker(aws)
    sagemaker.jobs.clear()
    return sagemaker


class TestSagemaker(Conformance):
    never = frozenset({"capacity"})  # told later, as the reason of a machine that is gone
    addressed = False
    own_tags = MappingProxyType({"Tags": [{"Key": "team", "Value": "vision"}]})

    @pytest.fixture
    def provider(self, provider: Sagemaker) -> Sagemaker:
        return provider


def test_a_job_ends_by_itself_and_leaves_no_machine_behind(provider: Sagemaker) -> None:
    provider.adapter().create(Machine("ml.g5.xlarge", REGION, spot=True, lifetime_s=3600), claim())
    (job,) = provider.jobs.values()
    assert job.stopping_condition == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600}
    assert "KeepAlivePeriodInSeconds" not in job.resource_config
    assert job.enable_managed_spot_training


def test_the_boot_script_arrives_as_it_was(provider: Sagemaker) -> None:
    script = "#!/bin/sh\n" + "\n".join(f"echo {number * 7919}" for number in range(5_000))
    provider.adapter().create(Machine("ml.g5.xlarge", REGION, boot_script=script), claim())
    (job,) = provider.jobs.values()
    assert len(job.hyper_parameters) > 1
    packed = "".join(job.hyper_parameters[key] for key in sorted(job.hyper_parameters))
    assert gzip.decompress(base64.b64decode(packed)).decode() == script
    assert len(job.algorithm_specification["ContainerArguments"][0]) <= 256


def test_no_capacity_is_the_reason_for_which_a_machine_is_gone(provider: Sagemaker) -> None:
    made = provider.adapter().create(provider.machine, claim())
    (job,) = provider.jobs.values()
    job.training_job_status, job.failure_reason = "Failed", "CapacityError: Unable to provision requested compute"
    found = provider.adapter().get(made.id)
    assert (found.state, found.reason.partition(":")[0]) == ("GONE", "CapacityError")


def test_a_region_that_is_not_ours_is_refused(provider: Sagemaker) -> None:
    with pytest.raises(BadRequest, match="regions of sagemaker"):
        provider.adapter().create(Machine("ml.g5.xlarge", "eu-west-1"), claim())
