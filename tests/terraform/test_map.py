"""What drives Terraform has the shape Terraform expects: unknown keys in YAML are dropped by it without a word."""

from __future__ import annotations

import inspect
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.gcp.firestore_store import FirestoreStore
from infra.http.log import SEVERITY
from shared.work import LEASE
from tests.terraform.derive_schema import SCHEMA, used

FOLDER = Path(__file__).parents[2] / "terraform"
MAP = yaml.safe_load((FOLDER / "functions.yaml").read_text())
GIVEN = yaml.safe_load((FOLDER / "environment.yaml").read_text())
FIRESTORE = yaml.safe_load((FOLDER / "firestore.yaml").read_text())
SOURCES = {path.name: path.read_text() for path in sorted(FOLDER.rglob("*.tf"))}
TESTS = {path.name: path.read_text() for path in sorted(FOLDER.rglob("*.tftest.hcl"))}
EVERYTHING = "\n".join([*SOURCES.values(), *TESTS.values()])
TRIGGERS = {"http": set(), "task": {"queue"}, "schedule": {"cron"}, "topic": {"name"}}
ROLES = re.compile(
    r"datastore\.(user|viewer)|cloudtasks\.enqueuer|pubsub\.publisher|storage\.object(User|Creator|Viewer)"
)
TASKS_GIVE_UP_AFTER = timedelta(minutes=10)
EVENTARC_GIVES_UP_AFTER = timedelta(minutes=9)
SCHEDULER_GIVES_UP_AFTER = timedelta(minutes=30)


def kind(entry: dict[str, Any]) -> str:
    return next(iter(entry["trigger"]))


def named(trigger: str, key: str) -> set[str]:
    return {entry["trigger"][trigger][key] for entry in MAP.values() if trigger in entry["trigger"]}


@pytest.mark.parametrize("name", sorted(MAP))
def test_an_entry_is_called_in_one_way_and_says_what_that_way_needs(name: str) -> None:
    trigger = MAP[name]["trigger"]
    assert len(trigger) == 1
    assert set(trigger[kind(MAP[name])]) == TRIGGERS[kind(MAP[name])]


@pytest.mark.parametrize("name", sorted(MAP))
def test_a_name_is_short_enough_for_its_service_account_and_its_address(name: str) -> None:
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)
    assert len(f"pledge-{name}") <= 30


@pytest.mark.parametrize("name", sorted(MAP))
def test_limits_are_what_the_platform_takes_and_end_before_it_gives_up(name: str) -> None:
    limits, trigger = MAP[name]["limits"], MAP[name]["trigger"]
    assert re.fullmatch(r"[1-9][0-9]*[MG]", limits["memory"])
    assert all(isinstance(limits[key], int) and limits[key] > 0 for key in set(limits) - {"memory"})
    patience = {"http": timedelta(hours=1), "task": min(TASKS_GIVE_UP_AFTER, LEASE), "topic": EVENTARC_GIVES_UP_AFTER}
    assert timedelta(seconds=limits["timeout_seconds"] + 15) <= patience.get(kind(MAP[name]), SCHEDULER_GIVES_UP_AFTER)
    assert "schedule" not in trigger or limits["max_instances"] == 1


@pytest.mark.parametrize("cron", sorted(named("schedule", "cron")))
def test_a_cron_has_five_fields_of_the_plain_kind(cron: str) -> None:
    assert re.fullmatch(r"(\*|\*/[1-9][0-9]?|[0-9]{1,2}) (\*|[0-9]{1,2})( \*){3}", cron)


def test_settings_secrets_and_roles_stand_once_each_and_are_of_the_known_kind() -> None:
    for name, entry in MAP.items():
        for list_of in ("settings", "secrets", "roles"):
            assert len(entry[list_of]) == len(set(entry[list_of])), name
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", one) for one in entry["settings"] + entry["secrets"]), name
        assert not set(entry["settings"]) & set(entry["secrets"]), name
        assert all(ROLES.fullmatch(role) for role in entry["roles"]), (
            f"{name}: say in service_accounts.tf where it is granted"
        )


def test_every_setting_has_a_value_in_terraform_and_every_value_is_asked_for_by_somebody() -> None:
    block = re.search(r"^  settings = \{\n(.*?)^  \}", SOURCES["locals.tf"], re.MULTILINE | re.DOTALL)
    assert block
    values = set(re.findall(r"^    ([A-Z_]+) ", block[1], re.MULTILINE))
    beside = [*GIVEN["roles"].values(), *GIVEN["secrets"].values()]
    asked = {*GIVEN["every"], *GIVEN["internal"]}.union(*beside, *(entry["settings"] for entry in MAP.values()))
    assert values == asked


def test_what_is_given_beside_the_map_is_given_for_a_reason_that_stands_in_the_map() -> None:
    assert set(GIVEN) == {"every", "internal", "roles", "secrets"}
    assert set(GIVEN["roles"]) <= {role for entry in MAP.values() for role in entry["roles"]}
    assert set(GIVEN["secrets"]) <= {secret for entry in MAP.values() for secret in entry["secrets"]}


def test_a_storage_role_is_for_the_evidence_or_for_the_websites_files_and_never_for_both() -> None:
    for name, entry in MAP.items():
        wanted = any(role.startswith("storage.") for role in entry["roles"])
        assert sum(one in entry["settings"] for one in ("EVIDENCE_BUCKET", "WEBSITE_DATABASE")) == int(wanted), name


def test_the_websites_data_is_granted_to_whoever_is_told_where_it_is_and_not_to_who_reads_what_it_is() -> None:
    assert (
        'website_readers = [for name, entry in local.functions : name if contains(entry.settings, "WEBSITE_DATABASE")]'
        in EVERYTHING
    )
    assert {name for name, entry in MAP.items() if "WEBSITE_DATABASE" in entry["settings"]} == {"work"}


def test_every_secret_of_the_map_is_a_secret_in_terraform() -> None:
    assert "for_each = local.secrets" in SOURCES["secrets.tf"]
    assert "secrets = toset(flatten([for entry in values(local.functions) : entry.secrets]))" in SOURCES["locals.tf"]


def test_terraform_names_no_function_queue_or_topic_that_the_map_has_not() -> None:
    def mentioned(table: str) -> set[str]:
        return set(re.findall(rf'\b{table}\["([^"]+)"\]', EVERYTHING))

    assert mentioned(
        "(?:local\\.(?:map|functions|hosts|environment|named|running)|function|subscriber|public|internal)"
    ) <= set(MAP)
    assert mentioned("queue") <= named("task", "queue")
    assert mentioned("topic") <= named("topic", "name")
    assert mentioned("caller") <= set(TRIGGERS) - {"http"}


def test_queue_and_topic_whose_names_the_functions_are_told_are_the_only_ones() -> None:
    assert (named("task", "queue"), named("topic", "name")) == ({"work"}, {"policy-published"})


def test_indexes_exemptions_and_expiries_have_the_shape_that_terraform_reads() -> None:
    assert set(FIRESTORE) == {"indexes", "exemptions", "ttl"}
    assert all(set(one) == {"collection", "fields"} and len(one["fields"]) > 1 for one in FIRESTORE["indexes"])
    for one in FIRESTORE["exemptions"] + FIRESTORE["ttl"]:
        assert set(one) == {"collection", "field"}
    for table in ("exemptions", "ttl"):
        pairs = [(one["collection"], one["field"]) for one in FIRESTORE[table]]
        assert len(pairs) == len(set(pairs))


def test_backups_run_out_when_the_store_says_that_they_have() -> None:
    horizon = inspect.signature(FirestoreStore).parameters["horizon"].default
    longest = re.search(r"var\.backup_retention_days <= (\d+)", SOURCES["variables.tf"])
    assert longest
    assert timedelta(days=int(longest[1])) <= horizon


def test_the_alerts_name_events_that_the_log_knows() -> None:
    groups = re.findall(r"jsonPayload\.event=\(([^)]*)\)", SOURCES["monitoring.tf"])
    assert {event for group in groups for event in re.findall(r"\w+", group)} - {"OR"} <= set(SEVERITY)
    assert groups


def test_terraform_uses_google_alone_looks_nothing_up_and_runs_nothing() -> None:
    assert not re.search(
        r'^\s*(data "|provisioner "|module ")|local-exec|external', "\n".join(SOURCES.values()), re.MULTILINE
    )
    assert set(re.findall(r'source\s*=\s*"([^"]+)"', SOURCES["versions.tf"])) == {"hashicorp/google"}
    assert {name.partition("_")[0] for name in re.findall(r'^resource "(\w+)"', EVERYTHING, re.MULTILINE)} == {"google"}


def test_the_schema_in_the_tree_is_of_the_required_version_and_of_the_resources_in_use() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema["version"].startswith("8.")
    assert 'version = "~> 8.0"' in SOURCES["versions.tf"]
    assert set(schema["resources"]) == {f"google_{name}" for name in used()}
