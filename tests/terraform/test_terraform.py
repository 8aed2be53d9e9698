"""Terraform's own verdict on `terraform/`: format, schema, and the properties that `terraform/tests/` asserts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.terraform.provider import Provider
from tests.terraform.running import Terraform, found


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    found()
    folder = tmp_path_factory.mktemp("infrastructure")
    with Provider() as provider:
        real = os.environ.get("PLEDGE_TERRAFORM_PROVIDER") == "registry"
        copy = Terraform(folder, {} if real else provider.environment)
        begun = copy.run("init", "-backend=false", "-input=false")
        assert begun.returncode == 0, begun.stdout
        yield copy


def test_every_file_is_formatted(terraform: Terraform) -> None:
    checked = terraform.run("fmt", "-check", "-recursive", "-diff")
    assert checked.returncode == 0, checked.stdout


def test_the_configuration_is_valid_by_the_providers_schema(terraform: Terraform) -> None:
    checked = terraform.run("validate")
    assert (checked.returncode, "Success!" in checked.stdout) == (0, True), checked.stdout


def test_what_is_planned_and_applied_has_the_properties_that_are_promised(terraform: Terraform) -> None:
    tested = terraform.run("test")
    assert (tested.returncode, "0 failed" in tested.stdout) == (0, True), tested.stdout


PLANTED = [
    ("buckets.tf", "public_access_prevention ", "public_acces_prevention ", "Unsupported argument"),
    ("queue.tf", "min_backoff ", "min_bakoff ", "Unsupported argument"),
    ("queue.tf", "oidc_token {", "oidc_tokens {", "Unsupported block type"),
    ("firestore.tf", '  type        = "FIRESTORE_NATIVE"\n', "", "Missing required argument"),
    ("functions.tf", "event_type            =", "trigger_region2       =", "Missing required argument"),
    ("secrets.tf", "replication {", "lifecycle {\n  }\n\n  timeouts {", "Insufficient replication blocks"),
    (
        "buckets.tf",
        "uniform_bucket_level_access = true",
        'uniform_bucket_level_access = ["yes"]',
        "Inappropriate value",
    ),
    ("outputs.tf", "evidence.name", "evidence.nam", "Unsupported attribute"),
    ("topic.tf", '"google_pubsub_topic"', '"google_pubsub_topics"', "Invalid resource type"),
    ("monitoring.tf", "local.our_functions", "local.their_functions", "Reference to undeclared local value"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "said"), PLANTED)
def test_a_planted_error_is_found(terraform: Terraform, file: str, right: str, wrong: str, said: str) -> None:
    text = terraform.read(file)
    assert right in text
    terraform.write(file, text.replace(right, wrong, 1))
    try:
        checked = terraform.run("validate")
    finally:
        terraform.write(file, text)
    assert checked.returncode == 1
    assert said in checked.stdout


def test_a_broken_property_is_found(terraform: Terraform) -> None:
    text = terraform.read("firestore.tf")
    terraform.write("firestore.tf", text.replace("var.backup_retention_days * 24", "30 * 24", 1))
    try:
        tested = terraform.run("test", "-filter=tests/state.tftest.hcl")
    finally:
        terraform.write("firestore.tf", text)
    assert tested.returncode == 1
    assert "A backup outlives day 14 of an erasure." in tested.stdout
