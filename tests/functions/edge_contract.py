"""What every edge must do at every address: a few test classes to inherit, and to tell the addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from werkzeug.test import TestResponse

from tests.functions.called import OPERATOR_TOKEN, PAGE, WEBSITE, WEBSITE_KEYS, Called, problem
from tests.infra.html_reader import Page

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
STRANGER = "https://www.sample-rooms.example.evil.example"


class EdgeContract:
    """Name the edge; paths stand without its name, with placeholders that `given` fills."""

    edge: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()
    pages: ClassVar[tuple[str, ...]] = ()
    acts: ClassVar[tuple[str, ...]] = ()
    headers: ClassVar[Mapping[str, str]] = {}
    browser: ClassVar[bool] = True
    """Whether the website's pages may call it; no other page ever may."""

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        """Arrange what the addresses need; return what their placeholders stand for."""
        return {}

    @pytest.fixture(scope="class")
    @classmethod
    def arranged(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Called, Mapping[str, str]]]:
        """Arrange once for all tests of the class; each gets a copy."""
        pattern = Called(tmp_path_factory.mktemp("pattern"))
        yield pattern, cls.given(pattern)
        pattern.close()

    @pytest.fixture
    def called(self, arranged: tuple[Called, Mapping[str, str]], tmp_path: Path) -> Iterator[Called]:
        """Return the arranged functions, over a folder of their own."""
        copy = arranged[0].copied(tmp_path / "copy")
        yield copy
        copy.close()

    @pytest.fixture
    def ids(self, arranged: tuple[Called, Mapping[str, str]]) -> Mapping[str, str]:
        """Return what the placeholders stand for."""
        return arranged[1]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each of the paths it names."""
        for name in ("read", "page", "act"):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, getattr(self, f"{name}s"))

    def named(self, path: str) -> str:
        """Return a path with the edge's own name in front."""
        return f"/{self.edge}{path}" if path != "/" else f"/{self.edge}"

    def at(self, called: Called, method: str, path: str, body: object = None, **headers: str) -> TestResponse:
        """Call this edge, whatever the path begins with."""
        return called.call(method, path, body, at=self.edge, **{**self.headers, **headers})

    def allowed(self, path: str) -> set[str]:
        """Return the methods of an address."""
        bare = path.partition("?")[0]
        reads = {one.partition("?")[0] for one in (*self.reads, *self.pages)}
        acts = {one.partition("?")[0] for one in self.acts}
        return ({"GET", "HEAD"} if bare in reads else set()) | ({"POST"} if bare in acts else set())

    def refuses_other_methods(self, called: Called, ids: Mapping[str, str], path: str) -> None:
        """Check every method that is not for an address."""
        allowed, filled = self.allowed(path), path.format_map(ids)
        for method in sorted(set(METHODS) - allowed):
            with called.changing_nothing():
                answer = self.at(called, method, self.named(filled))
            assert answer.status_code == 405, method
            assert set(answer.headers["Allow"].split(", ")) == allowed, method
            if method != "HEAD":
                problem(answer, 405)

    def shares_with_the_website_alone(self, called: Called, ids: Mapping[str, str], method: str, path: str) -> None:
        """Check who may read the answer in a browser."""
        filled = self.named(path.format_map(ids))
        ours = self.at(called, method, filled, Origin=WEBSITE)
        assert ours.headers.get("Access-Control-Allow-Origin") == (WEBSITE if self.browser else None)
        for origin in (STRANGER, "null", WEBSITE.upper(), f"{WEBSITE}, {STRANGER}", "*", ""):
            answer = self.at(called, method, filled, Origin=origin)
            assert "Access-Control-Allow-Origin" not in answer.headers, origin
            assert "Access-Control-Allow-Credentials" not in answer.headers, origin
            # a cache must not give one origin's answer to another
            assert "Origin" in ", ".join(answer.headers.getlist("Vary")) or not self.browser, origin

    def tells_browsers_first(self, called: Called, path: str, method: str) -> None:
        """Check what a browser is told that asks before it calls (a preflight)."""
        asks = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": "content-type"}
        with called.changing_nothing():
            ours = called.call("OPTIONS", path, at=self.edge, Origin=WEBSITE, **asks)
            other = called.call("OPTIONS", path, at=self.edge, Origin=STRANGER, **asks)
        assert granted(other) == {}
        if self.browser:
            assert (ours.status_code, other.status_code) == (204, 204)
            assert granted(ours)["Access-Control-Allow-Origin"] == WEBSITE
            assert method in granted(ours)["Access-Control-Allow-Methods"]
            assert "Content-Type" in granted(ours)["Access-Control-Allow-Headers"]
        else:
            assert granted(ours) == {}
            assert (ours.status_code, other.status_code) == (405, 405)


class ReadsContract(EdgeContract):
    """Addresses that are read as JSON."""

    def test_what_is_read_is_json_with_or_without_the_edges_own_name_in_front(
        self, called: Called, ids: Mapping[str, str], read: str
    ) -> None:
        path = read.format_map(ids)
        bare, named = self.at(called, "GET", path), self.at(called, "GET", self.named(path))
        assert (bare.status_code, bare.mimetype) == (200, "application/json"), bare.text
        assert named.status_code == 200
        assert named.json == bare.json

    def test_reading_changes_nothing(self, called: Called, ids: Mapping[str, str], read: str) -> None:
        path = read.format_map(ids)
        with called.changing_nothing():
            for method in ("GET", "HEAD"):
                for accept in ("application/json", PAGE):
                    assert self.at(called, method, path, Accept=accept).status_code == 200

    def test_reading_the_head_alone_answers_no_body(self, called: Called, ids: Mapping[str, str], read: str) -> None:
        answer = self.at(called, "HEAD", read.format_map(ids))
        assert (answer.status_code, answer.mimetype, answer.data) == (200, "application/json", b"")

    def test_what_is_read_is_stored_nowhere_on_the_way(self, called: Called, ids: Mapping[str, str], read: str) -> None:
        answer = self.at(called, "GET", read.format_map(ids))
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_an_address_that_is_read_refuses_other_methods(
        self, called: Called, ids: Mapping[str, str], read: str
    ) -> None:
        self.refuses_other_methods(called, ids, read)

    def test_only_the_companys_website_may_read_it_in_a_browser(
        self, called: Called, ids: Mapping[str, str], read: str
    ) -> None:
        self.shares_with_the_website_alone(called, ids, "GET", read)

    def test_a_browser_may_ask_first_whether_it_may_read(
        self, called: Called, ids: Mapping[str, str], read: str
    ) -> None:
        self.tells_browsers_first(called, read.format_map(ids), "GET")


class PagesContract(EdgeContract):
    """Addresses that are read as pages."""

    def test_a_browser_gets_a_page_from_the_same_address(
        self, called: Called, ids: Mapping[str, str], page: str
    ) -> None:
        answer = self.at(called, "GET", page.format_map(ids), Accept=PAGE)
        assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8"), answer.text
        assert len(Page(answer.text).named("h1")) == 1
        assert "Accept" in ", ".join(answer.headers.getlist("Vary"))

    def test_a_page_runs_nothing_is_framed_nowhere_and_tells_nobody_its_address(
        self, called: Called, ids: Mapping[str, str], page: str
    ) -> None:
        answer = self.at(called, "GET", page.format_map(ids), Accept=PAGE)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_showing_a_page_changes_nothing(self, called: Called, ids: Mapping[str, str], page: str) -> None:
        path = page.format_map(ids)
        with called.changing_nothing():
            assert self.at(called, "GET", path, Accept=PAGE).status_code == 200
            assert self.at(called, "HEAD", path, Accept=PAGE).status_code == 200

    def test_a_page_refuses_other_methods(self, called: Called, ids: Mapping[str, str], page: str) -> None:
        self.refuses_other_methods(called, ids, page)


class ActsContract(EdgeContract):
    """Addresses that act."""

    def test_an_act_is_reached_with_or_without_the_edges_own_name_in_front(
        self, called: Called, ids: Mapping[str, str], act: str
    ) -> None:
        path = act.format_map(ids)
        for one in (path, self.named(path)):
            with called.changing_nothing():
                problem(self.at(called, "POST", one, b"{", Content_Type="application/json"), 400)

    def test_an_address_that_acts_refuses_other_methods(self, called: Called, ids: Mapping[str, str], act: str) -> None:
        self.refuses_other_methods(called, ids, act)

    def test_only_the_companys_website_may_call_it_in_a_browser(
        self, called: Called, ids: Mapping[str, str], act: str
    ) -> None:
        self.shares_with_the_website_alone(called, ids, "POST", act)

    def test_a_browser_may_ask_first_whether_it_may_call(
        self, called: Called, ids: Mapping[str, str], act: str
    ) -> None:
        self.tells_browsers_first(called, act.format_map(ids), "POST")


def granted(answer: TestResponse) -> dict[str, str]:
    """Return what a browser is allowed."""
    return {name: value for name, value in answer.headers if name.startswith("Access-Control")}


class InternalContract(EdgeContract):
    """A function that only the platform calls, by POST to its root."""

    body: ClassVar[object] = None

    def test_only_the_platform_may_call_it(self, called: Called, ids: Mapping[str, str]) -> None:
        with called.changing_nothing():
            for headers in ({}, {"X_Pledge_Internal": "a guess"}, {"X_Pledge_Internal": ""}):
                problem(self.at(called, "POST", "/", self.body, **headers), 401)
            for bearer in (OPERATOR_TOKEN, *WEBSITE_KEYS, called.container.internal_secret):
                problem(self.at(called, "POST", "/", self.body, Authorization=f"Bearer {bearer}"), 401)

    def test_it_is_reached_with_or_without_its_own_name_in_front(self, called: Called, ids: Mapping[str, str]) -> None:
        headers = {"X_Pledge_Internal": called.container.internal_secret}
        for path in ("/", f"/{self.edge}", f"/{self.edge}/"):
            assert self.at(called, "POST", path, self.body, **headers).status_code == 200

    def test_it_is_never_read(self, called: Called, ids: Mapping[str, str]) -> None:
        headers = {"X_Pledge_Internal": called.container.internal_secret}
        with called.changing_nothing():
            for method in sorted(set(METHODS) - {"POST"}):
                answer = self.at(called, method, "/", **headers)
                assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
