"""`policy`: notices, the versions, what changed between them, and the annex of subprocessors (§1, §8, §9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared import identity
from shared.failures import Missing
from shared.promises import in_effect, notice, policy, register
from shared.promises.in_effect import Standing
from shared.promises.policy import Published
from shared.times import rfc3339

edge = Edge("policy", browser=True)
PUBLIC = "public, max-age=60"
MOST_IN_FEED = 50


@edge.route(
    "GET",
    "/notice",
    "What is shown before data is taken, with the signed snapshot to send back",
    query=("purposes", "locale"),
)
def show_notice(call: Call[None]) -> Answer:
    purposes = call.query("purposes")
    names = [name.strip() for name in purposes.split(",") if name.strip()] if purposes is not None else None
    services = call.services
    return notice.notice(services.vault, services.policies.current(), names, identity.locale(call.query("locale")))


@edge.route("GET", "/", "The policy in effect, and the coming one")
def show_current(call: Call[None]) -> Answer:
    services = call.services
    effective, upcoming = in_effect.effective(services, services.policies.current(), services.clock.now())
    return _policy(call, effective, upcoming, is_current=True)


@edge.route("GET", "/subprocessors", "The annex: who works for the company, for what, with which data")
def show_subprocessors(call: Call[None]) -> Answer:
    entries = register.annex(call.services)
    if call.wants_page():
        from infra.http.pages import html

        return html("subprocessors", cache=PUBLIC, company=call.services.company, entries=entries)
    return entries


@edge.route("GET", "/changes", "A feed of the versions, newest first: Atom, or JSON where that is asked for")
def show_changes(call: Call[None]) -> Answer:
    entries = _versions(call, call.services.policies.current())[: -MOST_IN_FEED - 1 : -1]
    if "application/json" in call.request.headers.get("Accept", ""):
        return {"versions": entries}
    from infra.http.feed import atom

    return atom(call.services.company.name, call.services.base_url, entries, PUBLIC)


@edge.route("GET", "/<a>...<b>", "What changed between two versions, word by word, and in purposes and recipients")
def show_difference(call: Call[None]) -> Answer:
    from shared.promises import publishing

    a, b = policy.read(call.services, call.path["a"]), policy.read(call.services, call.path["b"])
    pieces, catalogue = publishing.compared(a, b)
    if not call.wants_page():
        return {"from": a.version, "to": b.version, "changes": pieces, "catalogue": catalogue}
    from infra.http.difference_page import parts, sentences
    from infra.http.pages import html

    words: dict[str, Any] = {"changes": parts(pieces), "declared": sentences(catalogue)}
    return html("policy_diff", cache=PUBLIC, company=call.services.company, a=a.version, b=b.version, **words)


@edge.route("GET", "/<version>", "One version")
def show_version(call: Call[None]) -> Answer:
    if "..." in call.path["version"]:
        raise Missing("there is no such version", "version")
    return _policy(call, policy.read(call.services, call.path["version"]), None, is_current=False)


def _policy(call: Call[None], shown: Published, upcoming: Published | None, *, is_current: bool) -> Answer:
    described = _described(shown)
    if upcoming is not None:
        described["upcoming"] = _described(upcoming)
    if not call.wants_page():
        return described | {"text": shown.policy.text}
    from markupsafe import Markup

    from infra.http.markdown import rendered
    from infra.http.pages import html
    from shared.policy_reading.layout import as_markdown

    words: dict[str, Any] = {
        name: described[name] for name in ("title", "version", "hash", "effective_at", "published_at")
    }
    versions = _versions(call, shown)
    return html(
        "policy",
        cache=PUBLIC,
        company=call.services.company,
        body_html=Markup(rendered(as_markdown(shown.policy.text))),  # noqa: S704 - raw HTML is off in the renderer
        coming=[one for one in versions if one["state"] == "coming"] if is_current else [],
        shown=next(one for one in versions if one["version"] == shown.version),
        versions=versions,
        **words,
    )


def _versions(call: Call[None], shown: Published) -> list[dict[str, Any]]:
    """Return every version there is, oldest first.

    Beside it `state`, how it stands; `by`, what took its place or will; `difference_from`, the version people live under when
    it takes effect; and `updated_at`, when what is said of it last became other than before.
    """
    services = call.services
    # what another instance published this second is not in what this one has read
    history = max(services.policies.current().policy.history, shown.policy.history, key=len)
    found = [policy.read(services, version) for version in history]
    stand = in_effect.standings(found, services.clock.now())
    return [
        _described(one)
        | {
            "state": each.state,
            "by": _described(each.by) if each.by else None,
            "difference_from": before.version if before else None,
            "updated_at": rfc3339(_updated_at(one, each)),
        }
        for one, each, before in zip(found, stand, in_effect.lineage(found), strict=True)
    ]


def _updated_at(version: Published, standing: Standing) -> datetime:
    # a version never changes; that it will never take effect is news, and is so from the moment the other one is published
    said_by = standing.by if standing.by and standing.state == "overtaken" else version
    return said_by.policy.published_at


def _described(shown: Published) -> dict[str, Any]:
    record = shown.policy
    return {
        "version": shown.version,
        "hash": record.hash,
        "title": record.title,
        "summary": record.summary,
        "material": record.material,
        "changes": record.changes,
        "published_at": rfc3339(record.published_at),
        "effective_at": rfc3339(record.effective_at),
    }
