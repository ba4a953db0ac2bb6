"""Each provider has a page that names its settings, and a file with the rights that its adapter uses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfaas.cloud.azure import ACTIONS
from rayfaas.cloud.gcp import PERMISSIONS
from rayfaas.cloud.kubernetes import VERBS
from rayfaas.cloud.providers import PROVIDERS, settings_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "clouds"


@pytest.mark.parametrize("provider", [each for each in PROVIDERS if each != "memory"])
def test_a_page_names_every_setting(provider: str) -> None:
    page = (DOCS / f"{provider}.md").read_text()
    assert f"rayfaas cloud check {provider}" in page
    assert [each for each in settings_of(provider) if not re.search(rf"\b{each}\b", page)] == []


def test_the_table_has_every_provider_and_what_it_can() -> None:
    page = (DOCS / "README.md").read_text()
    assert set(re.findall(r"^\| \[?([a-z_]+)", page, re.MULTILINE)) == {*PROVIDERS, "provider"}


def test_files_that_advice_and_pages_speak_of_are_there() -> None:
    texts = [each.read_text() for each in (*DOCS.glob("*.md"), *(ROOT / "cloud").glob("*.py"))]
    named = {each for text in texts for each in re.findall(r"docs/clouds/([\w.-]+\.(?:json|yaml))", text)}
    assert len(named) == 5
    assert [each for each in named if not (DOCS / each).is_file()] == []


@pytest.mark.parametrize(("adapter", "page"), [("aws", "aws"), ("sagemaker", "sagemaker")])
def test_the_policy_of_aws_allows_what_the_adapter_calls(adapter: str, page: str) -> None:
    source = (ROOT / "cloud" / f"{adapter}.py").read_text()
    called = set(re.findall(r"\b((?:describe|run|start|stop|terminate|list|create|get)_[a-z_]+)\b", source))
    ours = {"get_paginator", "get_caller_identity"}
    allowed = {each.partition(":")[2].lower() for each in actions(DOCS / f"{page}-policy.json")}
    assert {each for each in called - ours if each.replace("_", "") not in allowed} == set()


def test_the_roles_of_the_others_allow_what_the_adapters_need() -> None:
    role = yaml.safe_load((DOCS / "gcp-role.yaml").read_text())
    assert set(PERMISSIONS) <= set(role["includedPermissions"])
    assert set(ACTIONS) <= set(json.loads((DOCS / "azure-role.json").read_text())["Actions"])
    documents = list(yaml.safe_load_all((DOCS / "kubernetes-role.yaml").read_text()))
    (rules,) = [each["rules"] for each in documents if each["kind"] == "Role"]
    assert rules == [{"apiGroups": ["ray.io"], "resources": ["rayclusters"], "verbs": list(VERBS)}]


def actions(file: Path) -> set[str]:
    statements: list[dict[str, Any]] = json.loads(file.read_text())["Statement"]
    given = [each["Action"] for each in statements]
    return {action for each in given for action in ([each] if isinstance(each, str) else each)}
