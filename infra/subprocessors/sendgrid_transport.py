"""The way to SendGrid that the connector and the postman share: its web API v3, with its failures turned into ours."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from email.message import Message
from email.utils import mktime_tz, parseaddr, parsedate_tz
from functools import lru_cache
from itertools import starmap
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request

import msgspec

from infra.subprocessors.headers import UNREADABLE, checked, seconds
from infra.subprocessors.opener import opener_to
from shared.failures import InDoubt, Misconfigured, NeverRetry, TryAgain, Unacceptable
from shared.ports import Recipients

UNIX_TIME = 10**9
"""From here on a number of seconds is a moment: SendGrid documents its reset header both ways."""
UNTAKEN = frozenset({"sendgrid_429", "sendgrid_not_reached"})
"""After these nothing was taken for certain; after any other passing trouble it may have been."""
UNACCEPTABLE = frozenset({"sendgrid_400", "sendgrid_413"})
SETTLES_SECONDS = 60
OFF = {"enable": False}
REGIONS = {"api.sendgrid.com": "global", "api.eu.sendgrid.com": "eu"}
"""SendGrid's hosts and what they serve: global users and subusers, and EU regional subusers."""


class Answer(NamedTuple):
    """What SendGrid said. `headers` ignores case."""

    status: int
    headers: Message
    body: Any

    def field(self, status: int, name: str) -> Any:
        """Return a field of the body. Raises NeverRetry for another status, TryAgain for a body without it."""
        self.expect(status)
        if not isinstance(self.body, dict) or name not in self.body:
            raise TryAgain("sendgrid_unreadable")
        return self.body[name]

    def expect(self, status: int) -> None:
        """Raise NeverRetry for any other status."""
        if self.status != status:
            raise NeverRetry(f"sendgrid_unexpected_{self.status}")


class Address(msgspec.Struct, frozen=True, gc=False):
    """An address as SendGrid spells it."""

    email: str


class CustomArgs(msgspec.Struct, frozen=True, gc=False):
    """What SendGrid's events of a mail carry, and SendGrid keeps for good."""

    pledge: str


class Personalization(msgspec.Struct, frozen=True, gc=False):
    """One of many in a call, in SendGrid's words."""

    to: tuple[Address]
    substitutions: msgspec.Struct
    custom_args: CustomArgs


@lru_cache
def _substitutions(tag: str) -> type[msgspec.Struct]:
    """Return what holds a link to be put in place of this tag."""
    return msgspec.defstruct("Substitutions", [("link", str)], rename={"link": tag}, frozen=True, gc=False)


class SendgridTransport:
    """Calls of SendGrid's web API. `timeout` in seconds, for each wait on the network.

    `region`: where SendGrid keeps what it is told here, by the host that is called.
    """

    def __init__(self, api_key: str, base_url: str = "https://api.sendgrid.com", timeout: float = 10.0) -> None:
        key = checked(api_key, "SENDGRID_API_KEY")
        if not base_url.startswith(("https://", "http://")):
            raise Misconfigured("SENDGRID_API_BASE: an http or https address is needed")
        self.region = REGIONS.get(urlsplit(base_url).hostname or "", "sandbox")
        self._base = f"{base_url.rstrip('/')}/v3/"
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "pledge",
        }
        self._timeout = timeout
        self._opener = opener_to(base_url)

    def call(
        self,
        method: str,
        *path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        answers: Collection[int] = (http.client.NOT_FOUND,),
    ) -> Answer:
        """Call `/v3/{path}`, each segment escaped; a 404 is an answer, since absent is often success.

        `answers`: the refusals that are answers here. Raises TryAgain for timeouts, lost connections, 429 and 5xx;
        NeverRetry for every other refusal.
        """
        if not all(path):  # without its last segment an address means the whole list
            raise NeverRetry("sendgrid_empty_segment")
        url = self._base + "/".join(quote(segment, safe="") for segment in path)
        url += f"?{urlencode(query)}" if query else ""
        data = None if body is None else msgspec.json.encode(body)
        request = Request(url, data, self._headers, method=method.upper())  # noqa: S310 - http or https, checked above
        answer = _outcome(lambda: self._answer(request), answers)
        if isinstance(answer, Exception):
            # raised here and not where it was caught: what was raised there holds the address it called
            raise answer
        return answer

    def _answer(self, request: Request) -> Answer:
        with self._opener.open(request, timeout=self._timeout) as response:
            body = response.read()
            return Answer(response.status, response.headers, msgspec.json.decode(body) if body else None)

    def send(
        self,
        to: str | Sequence[str],
        sender: str,
        subject: str,
        text: str,
        html: str,
        headers: Mapping[str, str],
        reference: str,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Hand over one service mail; return SendGrid's message id. `sender`: an address, or `Name <address>`.

        `more`: further fields of SendGrid's own, such as `reply_to`. It reaches people who unsubscribed: mail about a
        right is not marketing. `reference` must be opaque, since SendGrid keeps custom args for good. Raises TryAgain,
        NeverRetry.
        """
        mail = {
            **_service_mail(sender, subject, text, html),
            "personalizations": [{"to": [{"email": one} for one in ([to] if isinstance(to, str) else to)]}],
            "headers": dict(headers),
            "custom_args": {"pledge": reference},
            **(more or {}),
        }
        answer = self.call("post", "mail", "send", body=mail)
        answer.expect(http.client.ACCEPTED)
        return answer.headers.get("X-Message-Id") or ""

    def send_all(self, recipients: Recipients, tag: str, sender: str, subject: str, text: str, html: str) -> str:
        """Hand over one service mail for many; SendGrid puts each one's link in place of `tag`. Returns its message id.

        Raises InDoubt, Unacceptable, TryAgain, NeverRetry, as `Postman.post_all` says.
        """
        # structs, put together without a loop of ours: half of the time that a thousand dicts take
        to, references, links = recipients
        fields = zip(map(Address, to)), map(_substitutions(tag), links), map(CustomArgs, references)
        personalizations = list(starmap(Personalization, zip(*fields, strict=True)))
        # past unsubscribe lists, since law wants everybody told; not past the list of mailboxes that are not there
        past = {f"bypass_{one}_management": {"enable": True} for one in ("spam", "unsubscribe")}
        mail = _service_mail(sender, subject, text, html) | {
            "personalizations": personalizations,
            "mail_settings": past,
        }
        try:
            answer = self.call("post", "mail", "send", body=mail)
            answer.expect(http.client.ACCEPTED)
        except TryAgain as trouble:
            raise (trouble if trouble.code in UNTAKEN else InDoubt(trouble.code, trouble.after_seconds)) from None
        except NeverRetry as refusal:
            raise (Unacceptable(refusal.code) if refusal.code in UNACCEPTABLE else refusal) from None
        return answer.headers.get("X-Message-Id") or ""


def _service_mail(sender: str, subject: str, text: str, html: str) -> dict[str, Any]:
    name, email = parseaddr(sender)
    bodies = (("text/plain", text), ("text/html", html))
    return {
        "from": {"email": email, "name": name} if name else {"email": email},
        "subject": subject,
        "content": [{"type": media, "value": value} for media, value in bodies if value],
        "mail_settings": {"bypass_list_management": {"enable": True}},
        "tracking_settings": dict.fromkeys(("click_tracking", "open_tracking", "subscription_tracking"), OFF),
    }


def settled(true: bool) -> None:
    """Raise TryAgain unless true. SendGrid works through its jobs in its own time; the next attempt looks again."""
    if not true:
        raise TryAgain("sendgrid_not_settled", SETTLES_SECONDS)


def _outcome(call: Callable[[], Answer], answers: Collection[int]) -> Answer | TryAgain | NeverRetry:
    try:
        return call()
    except HTTPError as error:
        return _refused(error, answers)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ConnectionRefusedError | socket.gaierror):
            return TryAgain("sendgrid_not_reached")
        return TryAgain("sendgrid_timeout" if isinstance(reason, TimeoutError) else "sendgrid_unreachable")
    except UNREADABLE:
        return TryAgain("sendgrid_unreadable")


def _refused(error: HTTPError, answers: Collection[int]) -> Answer | TryAgain | NeverRetry:
    with error:
        if error.code not in answers:
            return _refusal(error.code, error.headers)
        # what is said about a refusal may come from a proxy in between, and may break off
        with contextlib.suppress(*UNREADABLE, OSError, http.client.HTTPException):
            return Answer(error.code, error.headers, msgspec.json.decode(error.read()))
        return Answer(error.code, error.headers, None)


def _refusal(status: int, headers: Message) -> TryAgain | NeverRetry:
    code = f"sendgrid_{status}"
    if status == http.client.TOO_MANY_REQUESTS:
        return TryAgain(code, _seconds(headers, "Retry-After") or _seconds(headers, "X-RateLimit-Reset"))
    if status >= http.client.INTERNAL_SERVER_ERROR or status == http.client.REQUEST_TIMEOUT:
        return TryAgain(code, _seconds(headers, "Retry-After"))
    return NeverRetry(code)


def _seconds(headers: Message, name: str) -> int | None:
    said = seconds(headers.get(name))
    if said is None or said < UNIX_TIME:
        return said
    # against the vendor's own clock: ours may be moved, or merely wrong
    date = _unix_time(headers.get("Date") or "")
    return None if date is None else max(0, said - date)


def _unix_time(text: str) -> int | None:
    try:
        date = parsedate_tz(text)
        return mktime_tz(date) if date else None
    except (ValueError, OverflowError):
        # a date that no calendar has
        return None
