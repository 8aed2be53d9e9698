"""The sandbox's Meta: who may call, how it fails, its one ad account, and the people in that account's audiences."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from werkzeug.wrappers import Request, Response

from infra.local.sandbox import meta_audiences as audiences
from infra.local.sandbox import meta_wire as wire
from infra.local.sandbox.sendgrid_wire import is_address
from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.vendor import Call, Route
from infra.settings import SANDBOX_ACCOUNTS
from shared.failures import BadInput

AD_ACCOUNT = SANDBOX_ACCOUNTS["META_AD_ACCOUNT"]
VERSIONS = ("", "/v26.0")
"""Graph answers also without a version."""
REGAINED_MINUTES = 5
ACCOUNT_FIELDS = {"id", "account_id", "name"}
PUT_FIELDS = {"email", "user_id", "name"}
FAILURES: dict[int, tuple[str, int]] = {
    400: ("Invalid parameter", 100),
    404: ("Unknown path components", 2500),
    405: ("Unsupported method", 100),
    429: ("There have been too many calls to this ad-account. Wait a bit and try again.", 80003),
    500: ("An unknown error has occurred.", 1),
    504: ("Service temporarily unavailable", 2),
}


class Meta:
    """The Graph API's ad account and custom audiences. `ad_account`: with `act_` or without."""

    name = "meta"

    def __init__(self, ad_account: str | None = None) -> None:
        self.account = (ad_account or AD_ACCOUNT).removeprefix("act_")

    @property
    def routes(self) -> Sequence[Route]:
        """The account, its audiences, and removal from one."""
        return [
            (method, version + address, handler)
            for version in VERSIONS
            for method, address, handler in (
                ("GET", "/act_<account>", self._own(self._show)),
                ("GET", "/act_<account>/customaudiences", self._own(lambda call: audiences.listed(call, self.account))),
                ("DELETE", "/<audience>/users", lambda call: audiences.remove(call, self.account)),
            )
        ]

    def admit(self, request: Request, key: str | None) -> None:
        """Refuse without the right bearer."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not given:
            wire.refused(wire.NO_TOKEN)
        if key and not hmac.compare_digest(given.encode(), key.encode()):
            wire.refused(wire.UNREADABLE_TOKEN)

    def failure(self, status: int) -> Response:
        """Answer as Graph does; when there were too many calls, with the minutes until there may be more."""
        message, code = FAILURES.get(status, ("failure", 1 if status >= 500 else 100))
        response = wire.error(status, message, code)
        if status == 429:
            use = {"type": "custom_audience", "call_count": 100, "estimated_time_to_regain_access": REGAINED_MINUTES}
            response.headers["X-Business-Use-Case-Usage"] = msgspec.json.encode({self.account: [use]}).decode()
        return response

    def put_person(self, shelf: Shelf, now: datetime, fields: Body) -> list[str]:
        """Put an address into every customer list; Meta keeps its hash alone. Other fields are taken and not kept."""
        for unknown in sorted(fields.keys() - PUT_FIELDS):
            raise BadInput("unknown field", unknown)
        if not is_address(fields.get("email")):
            raise BadInput("an e-mail address is needed", "email")
        return audiences.put_in(shelf, self.account, fields["email"])

    def find_person(self, shelf: Shelf, email: str | None, id: str | None) -> list[Body]:
        """Return the entries of an address, or the one with this id."""
        entry = shelf.get("member", id) if id else None
        found = shelf.find("member", audiences.hashed(email)) if email else [entry] if entry else []
        return [{"kind": "member", **one} for one in found]

    def _show(self, call: Call) -> Response:
        asked = {one for one in wire.query_of(call, {"fields"}).get("fields", "").split(",") if one}
        for unknown in sorted(asked - ACCOUNT_FIELDS):
            wire.refused(wire.BAD, f"Tried accessing nonexisting field ({unknown})")
        shown = {"id": f"act_{self.account}", "account_id": self.account, "name": "Sandbox"}
        return wire.answer({name: value for name, value in shown.items() if name in asked | {"id"}})

    def _own(self, handler: Callable[[Call], Response]) -> Callable[[Call], Response]:
        def own(call: Call) -> Response:
            if call.path["account"] != self.account:
                wire.refused(wire.UNKNOWN)
            return handler(call)

        return own
