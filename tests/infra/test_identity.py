"""The website's sign-in accounts: the embedded twin, and Google's over a small server that answers as Identity Toolkit."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from infra.container import Container
from infra.gcp.identity import IdentityPlatform, identity_platform
from infra.local.accounts import LocalAccounts
from infra.settings import Settings
from infra.subprocessors.google_transport import GoogleTransport
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.identity import Identifiers
from shared.ports import Person
from shared.website_accounts import WebsiteAccounts
from tests.contracts.accounts_contract import ADA, AccountsContract
from tests.infra.populated import populated


class IdentityToolkit:
    """A project's accounts. `instead`: what is answered next, whatever is asked."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.instead: list[Response] = []
        self._server = make_server("127.0.0.1", 0, Request.application(self._answer))
        self.base = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: Request) -> Response:
        self.asked.append((request.full_path.rstrip("?"), request.get_json()))
        if self.instead:
            return self.instead.pop(0)
        if request.headers.get("Authorization") != "Bearer t0ken":
            return _json({"error": {"code": 401, "status": "UNAUTHENTICATED"}}, 401)
        return (
            self._lookup(request.get_json()) if request.path.endswith(":lookup") else self._delete(request.get_json())
        )

    def _lookup(self, body: dict[str, Any]) -> Response:
        assert body.keys() == {"localId"}
        found = [self.users[one] for one in body["localId"] if one in self.users]
        kind = {"kind": "identitytoolkit#GetAccountInfoResponse"}
        return _json(kind | ({"users": found} if found else {}))

    def _delete(self, body: dict[str, Any]) -> Response:
        assert body.keys() == {"localId"}
        if self.users.pop(body["localId"], None) is None:
            return _json({"error": {"code": 400, "message": "USER_NOT_FOUND"}}, 400)
        return _json({"kind": "identitytoolkit#DeleteAccountResponse"})


def _json(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


@pytest.fixture
def google() -> Iterator[IdentityToolkit]:
    google = IdentityToolkit()
    yield google
    google.close()


def platform(google: IdentityToolkit, bearer: str = "t0ken") -> IdentityPlatform:
    return IdentityPlatform(GoogleTransport(google.base, lambda: bearer, 5), "my-website")


class TestLocalAccounts(AccountsContract):
    @pytest.fixture
    def accounts(self, tmp_path: Path) -> Iterator[WebsiteAccounts]:  # type: ignore[override]
        with populated(tmp_path) as world:
            self.website = world.website
            yield LocalAccounts(world.website)

    def sign_up(self, accounts: WebsiteAccounts, user_id: str) -> None:
        self.website.write(f"identity_accounts/{user_id}", ADA | {"localId": user_id})


class TestIdentityPlatform(AccountsContract):
    @pytest.fixture
    def accounts(self, google: IdentityToolkit) -> WebsiteAccounts:
        self.google = google
        return platform(google)

    def sign_up(self, accounts: WebsiteAccounts, user_id: str) -> None:
        self.google.users[user_id] = ADA | {"localId": user_id}


def test_ids_travel_in_the_body_and_the_project_in_the_address(google: IdentityToolkit) -> None:
    platform(google).read("u1")
    platform(google).delete("u1")
    assert google.asked == [
        ("/v1/projects/my-website/accounts:lookup", {"localId": ["u1"]}),
        ("/v1/projects/my-website/accounts:delete", {"localId": "u1"}),
        ("/v1/projects/my-website/accounts:lookup", {"localId": ["u1"]}),
    ]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (_json({}, 503), TryAgain),
        (_json({"error": {"status": "RESOURCE_EXHAUSTED"}}, 429), TryAgain),
        (Response("<html>", 200), TryAgain),
        (_json({"users": [{"localId": "u2"}]}), TryAgain),
        (_json({"users": "u1"}), TryAgain),
        (_json({}, 403), NeverRetry),
        (_json({}, 400), NeverRetry),
    ],
)
def test_what_may_pass_is_told_from_what_needs_a_person(
    google: IdentityToolkit, answer: Response, failure: type[Exception]
) -> None:
    google.instead = [answer]
    with pytest.raises(failure):
        platform(google).read("u1")


def test_a_deletion_that_is_refused_while_the_account_stands_needs_a_person(google: IdentityToolkit) -> None:
    google.users["u1"] = ADA
    for status in (400, 403):
        google.instead = [_json({}, status)]
        with pytest.raises(NeverRetry, match=f"google_{status}"):
            platform(google).delete("u1")
    assert "u1" in google.users


def test_a_ping_knows_a_good_token_from_a_bad_one(google: IdentityToolkit) -> None:
    platform(google).ping()
    with pytest.raises(NeverRetry, match="google_401"):
        platform(google, "wrong").ping()


def test_no_failure_repeats_who_was_asked_for(google: IdentityToolkit) -> None:
    google.instead = [_json({"error": {"message": "ada-lovelace is strange"}}, 400)]
    with pytest.raises(NeverRetry) as caught:
        platform(google).read("ada-lovelace")
    assert "ada" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_a_test_never_reaches_the_real_accounts() -> None:
    with pytest.raises(Misconfigured, match="IDENTITY_API_BASE"):
        identity_platform(Settings({"RUNTIME": "local", "GOOGLE_CLOUD_PROJECT": "p"}))
    made = identity_platform(
        Settings({"RUNTIME": "local", "GOOGLE_CLOUD_PROJECT": "p", "IDENTITY_API_BASE": "http://127.0.0.1:9/v1"})
    )
    assert isinstance(made, IdentityPlatform)


@pytest.mark.parametrize("declared", [True, False])
def test_the_container_gives_the_embedded_twin_where_accounts_are_declared(tmp_path: Path, declared: bool) -> None:
    (tmp_path / "website.yaml").write_text(f"identity: {str(declared).lower()}\n")
    settings = Settings({"DATA_DIR": str(tmp_path), "WEBSITE_DATA": str(tmp_path / "website.yaml")})
    container = Container(settings)
    container.website.write("identity_accounts/u1", ADA)
    person = Person(request_id="r", known=[Identifiers(user_id="u1")])
    export = container.connectors["google_cloud_platform"].export(person)
    assert export == ({"sign_ins": [ADA]} if declared else {})


def test_the_container_gives_googles_where_an_address_for_it_is_named(tmp_path: Path, google: IdentityToolkit) -> None:
    (tmp_path / "website.yaml").write_text("identity: true\n")
    settings = {"DATA_DIR": str(tmp_path), "WEBSITE_DATA": str(tmp_path / "website.yaml"), "WEBSITE_PROJECT": "w"}
    container = Container(Settings(settings | {"IDENTITY_API_BASE": google.base}))
    with pytest.raises(NeverRetry, match="google_401"):
        container.connectors["google_cloud_platform"].ping()
    assert google.asked[0][0] == "/v1/projects/w/accounts:lookup"
