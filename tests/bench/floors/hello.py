"""The floor of every row: a function that does nothing, under the same framework and server as ours."""

from flask import Request, Response


def hello(_request: Request) -> Response:
    """Answer a tiny JSON, ready made: the ratio must not be flattered by work of the floor's own."""
    return Response(b'{"ok":true}', mimetype="application/json")
