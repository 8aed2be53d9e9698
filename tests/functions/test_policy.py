"""`policy`: what is shown before data is taken, the versions, what changed between them, and the annex."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from shared.annex import NAMES
from shared.times import rfc3339
from tests.functions.called import BASE, PAGE, Called, problem
from tests.functions.edge_contract import PagesContract, ReadsContract
from tests.infra.html_reader import Page

CONSENT_PURPOSES = ["analytics", "ads", "marketing_email"]
DESCRIBED = {"version", "hash", "title", "summary", "material", "changes", "published_at", "effective_at"}
HOSTILE = (
    "# Policy\n\n<script>alert(1)</script> [click](javascript:alert(2)) ![pixel](https://evil.example/pixel.gif)\n"
)


class TestPolicyReads(ReadsContract):
    edge = "policy"
    reads = ("/", "/notice", "/notice?purposes=ads,analytics&locale=de-AT", "/v1", "/v1...v2", "/subprocessors")

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        called.publish("v2", "# Policy\n\nAnother one.\n")
        return {}


class TestPolicyPages(PagesContract):
    edge = "policy"
    reads = ("/", "/v1", "/v1...v2", "/subprocessors")
    pages = reads

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        called.publish("v2", "# Policy\n\nAnother one.\n")
        return {}


# --- the notice ------------------------------------------------------------------------------------------------------


def test_a_notice_says_what_why_on_what_basis_how_long_who_gets_it_and_the_rights(called: Called) -> None:
    notice = called.get("/policy/notice?purposes=ads,marketing_email").json
    assert [purpose["name"] for purpose in notice["purposes"]] == ["ads", "marketing_email"]
    for purpose in notice["purposes"]:
        assert purpose["asked"] is True
        assert purpose["legal_basis"] == "consent"
        assert all(purpose[said] for said in ("title", "why", "fields", "retention", "recipients"))
    assert {one["name"] for one in notice["recipients"]} == {
        name for purpose in notice["purposes"] for name in purpose["recipients"]
    }
    assert set(notice["fields"]) == {field for purpose in notice["purposes"] for field in purpose["fields"]}
    assert {"access", "erasure", "withdraw_consent", "complaint"} <= set(notice["rights"])
    assert notice["controller"]["contact"]
    policy = called.get("/policy").json
    assert (notice["policy_version"], notice["policy_hash"]) == (policy["version"], policy["hash"])


def test_a_notice_of_no_purpose_named_shows_all_of_them_and_asks_only_where_consent_is_the_basis(
    called: Called,
) -> None:
    purposes = called.get("/policy/notice").json["purposes"]
    assert [purpose["name"] for purpose in purposes if purpose["asked"]] == CONSENT_PURPOSES
    assert {"contract", "legal_obligation"} <= {purpose["legal_basis"] for purpose in purposes}


def test_a_purpose_named_twice_or_with_blanks_is_shown_once(called: Called) -> None:
    once = called.get("/policy/notice?purposes=ads,analytics").json
    assert called.get("/policy/notice?purposes=ads,%20analytics%20,ads,").json == once


def test_the_signed_notice_follows_from_what_was_shown(called: Called) -> None:
    tokens = {
        question: called.get(f"/policy/notice{question}").json["notice"]
        for question in (
            "",
            "?purposes=ads",
            "?purposes=analytics",
            "?purposes=ads&locale=de",
            "?purposes=ads,analytics",
        )
    }
    assert len(set(tokens.values())) == len(tokens)
    for question, token in tokens.items():
        assert called.get(f"/policy/notice{question}").json["notice"] == token


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("purposes=ads,tracking", "purposes"),
        ("purposes=Ads", "purposes"),
        ("locale=english please", "locale"),
        ("locale=", "locale"),
        ("locale=de_AT", "locale"),
    ],
)
def test_a_notice_of_what_is_unknown_is_refused_by_name(called: Called, question: str, field: str) -> None:
    problem(called.get(f"/policy/notice?{question}"), 400, field)


# --- the versions ----------------------------------------------------------------------------------------------------


def test_the_policy_in_effect_is_shown_with_its_text_and_hash(called: Called) -> None:
    policy = called.get("/policy").json
    assert set(policy) == DESCRIBED | {"text"}
    assert policy["version"] == "v1"
    assert policy["hash"] == sha256(policy["text"].encode()).hexdigest()
    assert called.get("/policy/v1").json == policy


def test_a_version_to_come_stands_beside_the_one_in_effect_until_its_day(called: Called) -> None:
    effective_at = called.now() + timedelta(days=14)
    called.publish("v2", "# Policy\n\nThe coming one.\n", effective_at=effective_at)
    policy = called.get("/policy").json
    assert (policy["version"], policy["upcoming"]["version"]) == ("v1", "v2")
    assert set(policy["upcoming"]) == DESCRIBED
    links = {address for _, address in Page(called.page("/policy").text).links()}
    assert {"/policy/v2", "/policy/v1...v2"} <= links
    coming = called.page("/policy/v2").text
    assert "This version is not in effect yet" in coming
    assert "/policy/v1...v2" in {address for _, address in Page(coming).links()}
    assert "not in effect yet" not in called.page("/policy/v1").text
    assert called.get("/policy/notice").json["policy_version"] == "v2", "from publication every notice carries it"
    called.later(days=14, seconds=1)
    policy = called.get("/policy").json
    assert policy["version"] == "v2"
    assert "upcoming" not in policy


def test_an_earlier_version_stays_as_it_was(called: Called) -> None:
    before = called.get("/policy/v1").json
    called.publish("v2", "# Another\n")
    called.publish("v3", "# A third\n")
    assert called.get("/policy/v1").json == before
    page = Page(called.page("/policy").text).text
    assert all(version in page for version in ("v1", "v2", "v3"))


def test_a_difference_rebuilds_both_texts(called: Called) -> None:
    called.publish("v2", called.get("/policy/v1").json["text"].replace("14 days", "thirteen days") + "One more line.\n")
    difference = called.get("/policy/v1...v2").json
    assert (difference["from"], difference["to"]) == ("v1", "v2")
    changes = difference["changes"]
    assert {piece["op"] for piece in changes} - {"equal"}
    assert "".join(piece.get("old", "") for piece in changes) == called.get("/policy/v1").json["text"]
    assert "".join(piece.get("new", "") for piece in changes) == called.get("/policy/v2").json["text"]


def test_a_version_does_not_differ_from_itself(called: Called) -> None:
    assert {piece["op"] for piece in called.get("/policy/v1...v1").json["changes"]} == {"equal"}


@pytest.mark.parametrize(
    "path",
    [
        "/policy/v2",
        "/policy/V1",
        "/policy/v1...v2",
        "/policy/v2...v1",
        "/policy/...v1",
        "/policy/v1...",
        "/policy/v1....v1",
        "/policy/..%2fv1",
        "/policy/v1/more",
        "/policy/v1%00",
        "/policy/%ff%fe",
        "/policy/policies",
        f"/policy/{'v' * 5000}",
    ],
)
def test_a_version_that_is_none_is_not_found(called: Called, path: str) -> None:
    problem(called.get(path), 404)
    page = called.page(path)
    assert (page.status_code, page.mimetype) == (404, "text/html")


@pytest.mark.parametrize("path", ["/policy", "/policy/v2", "/policy/v1...v2", "/policy/v2...v1"])
def test_a_policys_text_cannot_bring_anything_to_life(called: Called, path: str) -> None:
    called.publish("v2", HOSTILE)
    page = Page(called.page(path).text)
    assert not page.named("script", "img", "iframe", "object")
    assert not [address for _, address in page.links() if address.startswith("javascript:")]
    assert "alert(1)" in page.text, "it is shown, as words"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/policy", "public, max-age=60"),
        ("/policy/v1", "public, max-age=60"),
        ("/policy/v1...v1", "public, max-age=60"),
        ("/policy/subprocessors", "public, max-age=60"),
        ("/policy/v9", "no-store"),
    ],
)
def test_only_what_is_public_may_be_kept_by_caches(called: Called, path: str, kept: str) -> None:
    assert called.page(path).headers["Cache-Control"] == kept


# --- the feed ----------------------------------------------------------------------------------------------------------

ATOM = "{http://www.w3.org/2005/Atom}"


def feed(called: Called, **headers: str) -> ET.Element:
    answer = called.get("/policy/changes", **headers)
    assert (answer.status_code, answer.content_type) == (200, "application/atom+xml; charset=utf-8")
    return ET.fromstring(answer.data)  # noqa: S314 - our own feed


def test_the_feed_has_what_rfc_4287_asks_for_and_names_every_version_newest_first(called: Called) -> None:
    called.publish("v2", "# Policy\n\nTwo.\n", summary="Two & <more>")
    found = feed(called)
    for element in (found, *found.iter(f"{ATOM}entry")):
        assert all(element.findtext(f"{ATOM}{name}") for name in ("id", "title", "updated"))
        assert datetime.fromisoformat(element.findtext(f"{ATOM}updated") or "").tzinfo
    assert found.findtext(f"{ATOM}author/{ATOM}name")
    assert [one.findtext(f"{ATOM}id") for one in found.iter(f"{ATOM}entry")] == [
        f"{BASE}/policy/v2",
        f"{BASE}/policy/v1",
    ]
    assert "Two & <more>" in (found.findtext(f"{ATOM}entry/{ATOM}summary") or "")


def test_the_links_of_the_feed_lead_to_the_version_and_to_what_changed(called: Called) -> None:
    called.publish("v2", "# Policy\n\nTwo.\n")
    links = [one.attrib["href"] for one in feed(called).iter(f"{ATOM}link")]
    assert links == [f"{BASE}/policy/{path}" for path in ("changes",)] + [
        f"{BASE}/policy", f"{BASE}/policy/v2", f"{BASE}/policy/v1...v2", f"{BASE}/policy/v1",
    ]  # fmt: skip
    for link in links:
        assert called.get(link).status_code == 200
    page = Page(called.page("/policy").text)
    assert [one.attributes["href"] for one in page.named("link") if one.attributes["rel"] == "alternate"] == [
        "/policy/changes"
    ]


def test_the_feed_is_json_for_who_asks_for_it(called: Called) -> None:
    called.publish("v2", "# Policy\n\nTwo.\n")
    versions = called.get("/policy/changes", Accept="application/json").json["versions"]
    assert [(one["version"], one["difference_from"]) for one in versions] == [("v2", "v1"), ("v1", None)]
    for accept in ("*/*", "application/atom+xml, application/xml;q=0.9, */*;q=0.8", PAGE):
        assert feed(called, Accept=accept) is not None


def test_the_feed_says_of_a_version_that_it_never_takes_effect_from_the_moment_that_is_so(called: Called) -> None:
    called.later(days=1)
    at = called.now() + timedelta(days=30)
    called.publish("v2", "# Policy\n\nTwo.\n", effective_at=at)
    told = told_of(called, "v2")
    assert told["summary"] == f"In effect from {rfc3339(at)}."
    assert told["updated"] == told["published"]
    called.later(days=2)
    called.publish("v3", "# Policy\n\nThree.\n", material=False)
    now = told_of(called, "v2")
    third = told_of(called, "v3")
    assert "In effect from" not in now["summary"]
    assert now["summary"] == (
        f"Never in effect: it was announced for {rfc3339(at)}, and version v3 takes its place from {third['published']}."
    )
    assert (now["published"], now["updated"]) == (told["published"], third["published"])
    assert feed(called).findtext(f"{ATOM}updated") == third["published"]
    versions = called.get("/policy/changes", Accept="application/json").json["versions"]
    assert [(one["version"], one["state"], one["difference_from"]) for one in versions] == [
        ("v3", "in_effect", "v1"),
        ("v2", "overtaken", "v1"),
        ("v1", "replaced", None),
    ]
    assert [(one["by"] or {}).get("version") for one in versions] == [None, "v3", "v3"]
    assert [one["updated_at"] for one in versions[:2]] == [third["published"]] * 2


def told_of(called: Called, version: str) -> dict[str, str]:
    entry = next(
        one for one in feed(called).iter(f"{ATOM}entry") if (one.findtext(f"{ATOM}id") or "").endswith(f"/{version}")
    )
    return {name: entry.findtext(f"{ATOM}{name}") or "" for name in ("summary", "published", "updated")}


def test_a_version_to_come_is_compared_with_the_one_that_people_live_under_till_then(called: Called) -> None:
    called.later(days=1)
    for n, days in (("v2", 30), ("v3", 40)):
        called.publish(n, f"# Policy\n\n{n}.\n", effective_at=called.now() + timedelta(days=days))
    links = {address for _, address in Page(called.page("/policy").text).links()}
    assert {"/policy/v1...v2", "/policy/v2...v3"} <= links


def test_what_xml_cannot_write_does_not_break_the_feed(called: Called) -> None:
    called.publish("v2", "# Policy\n\nTwo.\n", summary="a\u0000b\u0008c\ufffed ]]> <!--")
    assert "abcd ]]> <!--" in (feed(called).findtext(f"{ATOM}entry/{ATOM}summary") or "")


def test_reading_the_feed_changes_nothing(called: Called) -> None:
    with called.changing_nothing():
        feed(called)
    assert called.get("/policy/changes").headers["Cache-Control"] == "public, max-age=60"
    assert called.call("POST", "/policy/changes").status_code == 405


# --- how it reads --------------------------------------------------------------------------------------------------------


def test_a_plain_text_is_shown_with_the_headings_and_lists_it_means(called: Called) -> None:
    plain = (
        "Our policy\n\nHello.\n\n1. What we take\n\n1.1. Your name\n\nWe take:\n\n  \u2022 a name\n  \u2022 a place\n"
    )
    called.publish("v2", plain)
    read = Page(called.page("/policy/v2").text)
    assert [len(read.named(name)) for name in ("h1", "h3")] == [1, 1]
    assert "1. What we take" in read.text
    assert "\u2022" not in read.text
    assert called.get("/policy/v2").json["text"] == plain, "what is kept and hashed stays as it was written"


def test_the_published_policy_reads_as_a_page_with_its_headings_and_lists(called: Called) -> None:
    path = os.environ.get("PLEDGE_POLICY_FILE")
    if not path:
        pytest.skip("PLEDGE_POLICY_FILE names no policy")
    called.publish("v2", Path(path).read_text())
    before, after = Page(called.page("/policy/v1").text), Page(called.page("/policy/v2").text)
    assert len(after.named("h2", "h3")) >= 13 > 9
    assert len(after.named("li")) > len(before.named("li"))
    assert len(after.named("pre", "code")) == len(before.named("pre", "code")), "an indented item is no code"


def test_what_stays_is_folded_and_still_there_to_be_read(called: Called) -> None:
    text = called.get("/policy/v1").json["text"]
    called.publish("v2", text.replace("14 days", "fourteen days"))
    page = called.page("/policy/v1...v2").text
    read = Page(page)
    assert len(read.named("details")) == len(read.named("summary")) == 2
    assert (len(read.named("ins")), len(read.named("del"))) == (2, 2), "the legend's and the one that changed"
    assert "Before we take data that says who you are" in read.text


def test_a_difference_is_read_without_marks_of_layout_and_folded_between_sentences(called: Called) -> None:
    filler = " ".join(f"Sentence {n} of this chapter stays as it is, e.g. here." for n in range(30))
    called.publish(
        "v2",
        f"# Ours\n\n## 4. How long\n\n**4.1** We keep it for six years. {filler}\n\n## 5. More & more\n\nEnd one.\n",
    )
    called.publish(
        "v3",
        f"# Ours\n\n## 4. How long\n\n**4.1** We keep it for two years. {filler}\n\n## 5. More & more\n\nEnd two.\n",
    )
    page = called.page("/policy/v2...v3").text
    difference = page[page.index('class="document difference"') :]
    assert "#" not in difference.split("</div>")[0]
    assert "**" not in difference
    assert "<strong>5. More &amp; more</strong>" in difference
    head, folded, tail = re.split(r"<details>.*?</summary>|</details>", difference, maxsplit=2)
    assert head.rstrip().endswith("e.g. here.")
    assert folded.startswith("Sentence ")
    assert tail.lstrip("<br>").startswith(("Sentence ", "<strong>", "strong>"))


def test_a_change_of_nothing_but_marks_is_shown_with_them(called: Called) -> None:
    called.publish("v2", "# Ours\n\nWe keep it for six years.\n")
    called.publish("v3", "# Ours\n\nWe **keep** it for six years.\n")
    difference = called.page("/policy/v2...v3").text
    assert "<ins>**" in difference


def test_what_changed_in_purposes_and_recipients_is_told_beside_the_text(called: Called) -> None:
    company = msgspec.structs.replace(called.container.company, not_used={"instagram": "no advertisements there"})
    called.container.__dict__["company"] = company
    called.publish("v2")
    answer = called.get("/policy/v1...v2").json
    assert answer["catalogue"]["recipients"]["removed"] == {"instagram": "Instagram"}
    assert {piece["op"] for piece in answer["changes"]} == {"equal"}
    assert "No longer a recipient: Instagram." in Page(called.page("/policy/v1...v2").text).text


# --- the annex -------------------------------------------------------------------------------------------------------


def test_the_annex_names_every_subprocessor_and_which_are_connected(called: Called) -> None:
    annex = called.get("/policy/subprocessors").json
    assert [entry["name"] for entry in annex] == list(NAMES)
    assert {entry["name"] for entry in annex if entry["connected"]} == set(NAMES)
    assert all(entry[said] for entry in annex for said in ("title", "role", "purpose", "data", "location"))
    page = Page(called.page("/policy/subprocessors").text).text
    assert all(entry["title"] in page for entry in annex)


def test_without_a_policy_it_is_said_that_it_cannot_be_answered_now(called: Called) -> None:
    called.forget_policy()
    for path in ("/policy", "/policy/notice", "/.well-known/gpc.json"):
        answer = called.get(path)
        problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
