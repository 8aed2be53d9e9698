"""Google's message types without their clients, and the channel they travel over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.gcp.calls import Api, code_of, failure, messages
from shared.failures import Misconfigured, NeverRetry, TryAgain

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "google.cloud.firestore_v1": ("firestore", "Client"),
    "google.cloud.tasks_v2": ("cloudtasks", "CloudTasksClient"),
    "google.cloud.kms_v1": ("service", "KeyManagementServiceClient"),
}


def run(program: str) -> str:
    """Run in a process that has imported nothing yet."""
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_messages_come_without_the_clients(package: str) -> None:
    module, client = PACKAGES[package]
    loaded = run(
        "import sys; from infra.gcp.calls import messages\n"
        f"messages({package!r}, {module!r})\n"
        f"print([name for name in sys.modules if name.startswith({package!r} + '.services') or name == 'requests'])"
    )
    assert loaded == "[]", client


@pytest.mark.parametrize("package", PACKAGES)
def test_the_sdk_is_whole_for_whoever_wants_its_client_later(package: str) -> None:
    module, client = PACKAGES[package]
    same = run(
        "import importlib; from infra.gcp.calls import messages\n"
        f"found = messages({package!r}, {module!r})\n"
        f"whole = importlib.import_module({package!r})\n"
        f"print(whole.{client}.__name__, whole.types.{module} is found)"
    )
    assert same == f"{client} True"


def test_threads_that_want_messages_and_clients_at_once_all_get_them() -> None:
    program = """
import importlib, threading
from infra.gcp.calls import messages
start, got = threading.Barrier(8), []
def want(n):
    start.wait()
    if n % 2:
        got.append(messages("google.cloud.firestore_v1", "firestore").CommitRequest.__name__)
    else:
        got.append(importlib.import_module("google.cloud.firestore_v1").Client.__name__)
threads = [threading.Thread(target=want, args=(n,)) for n in range(8)]
[one.start() for one in threads]; [one.join() for one in threads]
print(sorted(got))
"""
    assert run(program) == str(["Client"] * 4 + ["CommitRequest"] * 4)


def test_a_package_that_is_not_there_is_a_wrong_setting() -> None:
    with pytest.raises(Misconfigured, match="is not installed"):
        messages("google.cloud.nothing_v1", "x")


def test_a_real_host_is_called_with_credentials_and_in_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"type": "service_account", "client_email": "a@p.example", "private_key": key.decode()}
    account |= {"token_uri": "http://127.0.0.1:9/token", "project_id": "p", "private_key_id": "1"}
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    types = messages("google.cloud.tasks_v2", "cloudtasks")
    queue = messages("google.cloud.tasks_v2", "queue")
    call = Api("google.cloud.tasks.v2.CloudTasks", "127.0.0.1:9").unary("GetQueue", types.GetQueueRequest, queue.Queue)
    with pytest.raises(grpc.RpcError) as raised:
        call(types.GetQueueRequest(name="projects/p/locations/l/queues/q"), timeout=2)
    assert code_of(raised.value) == "UNAVAILABLE"


class Status(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__("about ann@example.org")
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_a_status_becomes_a_failure_that_says_its_name_and_nothing_else(code: grpc.StatusCode) -> None:
    found = failure(Status(code), "queue")
    passing = {"CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNAVAILABLE"}
    assert type(found) is (TryAgain if code.name in passing else NeverRetry)
    assert str(found) == f"queue_{code.name.lower()}"
