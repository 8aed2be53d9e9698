"""The sandbox's SendGrid, where it grew: contact lists, custom fields, identifiers, and groups that come and go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.running_sandbox import RunningSandbox

ADA, BOB = "ada@example.com", "bob@example.com"
KEY = {"Authorization": "Bearer SG.any"}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path)
    yield sandbox
    sandbox.close()


def api(sandbox: RunningSandbox, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    return sandbox.ask(method, f"/sendgrid/v3/{path}", body, **KEY)


def put(sandbox: RunningSandbox, **contact: Any) -> None:
    assert api(sandbox, "PUT", "marketing/contacts", {"contacts": [contact]})[0] == 202


def contact(sandbox: RunningSandbox, email: str) -> dict[str, Any]:
    return next((one for one in sandbox.found("sendgrid", email=email) if one["kind"] == "contact"), {})


def test_contact_lists_come_in_pages_whose_next_address_holds_a_token(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, lists=["a", "b", "c"])
    _, first = api(sandbox, "GET", "marketing/lists?page_size=2")
    assert [one["id"] for one in first["result"]] == ["a", "b"]
    _, second = api(sandbox, "GET", f"marketing/lists?{first['_metadata']['next'].partition('?')[2]}")
    assert [one["name"] for one in second["result"]] == ["List c"]
    assert "next" not in second["_metadata"]


@pytest.mark.parametrize("query", ["page_size=0", "page_size=1001", "page_size=x", "page_token=x"])
def test_a_page_no_list_has_is_refused(sandbox: RunningSandbox, query: str) -> None:
    assert api(sandbox, "GET", f"marketing/lists?{query}")[0] == 400


def test_an_update_that_leaves_out_an_identifier_changes_nothing_and_says_so_nowhere(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, user_id="u1", name="Ada")
    put(sandbox, email=ADA, first_name="Eve")
    assert contact(sandbox, ADA)["first_name"] == "Ada"
    put(sandbox, email=ADA, external_id="u1", first_name="Eve")
    assert contact(sandbox, ADA)["first_name"] == "Eve"


def test_no_two_contacts_have_the_same_identifier(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, user_id="u1")
    put(sandbox, email=BOB, external_id="u1")
    assert contact(sandbox, BOB) == {}


def test_custom_fields_are_written_by_id_and_shown_by_name(sandbox: RunningSandbox) -> None:
    _, field = api(sandbox, "POST", "marketing/field_definitions", {"name": "size", "field_type": "Text"})
    assert api(sandbox, "POST", "marketing/field_definitions", {"name": "size", "field_type": "Colour"})[0] == 400
    assert api(sandbox, "GET", "marketing/field_definitions")[1]["custom_fields"] == [field]
    put(sandbox, email=ADA, custom_fields={field["id"]: "38", "e9_T": "unknown"})
    assert contact(sandbox, ADA)["custom_fields"] == {"size": "38"}


def test_a_deleted_group_is_gone_with_everybody_on_it_and_its_id_is_not_used_again(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, group=True)
    (group,) = api(sandbox, "GET", "asm/groups")[1]
    assert api(sandbox, "GET", f"asm/groups/{group['id']}")[1]["unsubscribes"] == 1
    assert [api(sandbox, "DELETE", f"asm/groups/{group['id']}")[0] for _ in range(2)] == [204, 404]
    assert api(sandbox, "GET", f"asm/groups/{group['id']}")[0] == 404
    assert [one["kind"] for one in sandbox.found("sendgrid", email=ADA)] == ["contact"]
    sandbox.put("sendgrid", email=BOB, group=True)
    assert api(sandbox, "GET", "asm/groups")[1][0]["id"] != group["id"]


def test_lists_come_page_by_page_newest_first_and_within_a_time(sandbox: RunningSandbox) -> None:
    for n in range(3):
        sandbox.put("sendgrid", email=f"p{n}@example.com", unsubscribed=True, bounced=True)
    for path in ("unsubscribes", "bounces"):
        pages = [api(sandbox, "GET", f"suppression/{path}?limit=2&offset={offset}")[1] for offset in (0, 2, 4)]
        assert [[one["email"][:2] for one in page] for page in pages] == [["p2", "p1"], ["p0"], []]
        assert api(sandbox, "GET", f"suppression/{path}?end_time=1")[1] == []
    assert "reason" in api(sandbox, "GET", "suppression/bounces")[1][0]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "offset=-1", "start_time=yesterday"])
def test_a_page_of_a_list_that_cannot_be_is_refused(sandbox: RunningSandbox, query: str) -> None:
    assert api(sandbox, "GET", f"suppression/unsubscribes?{query}")[0] == 400


def test_everybody_on_any_group_is_listed_with_the_group(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, group=True)
    status, (entry,) = api(sandbox, "GET", "asm/suppressions")
    assert (status, entry["email"], entry["group_name"]) == (200, ADA, "Newsletter")
    assert {"group_id", "created_at"} < entry.keys()
