"""One function alone in a process of its own: calls come in as lines, answers go out as lines, and what it read is told.

Run with `-P`, so that this folder is not searched for modules. Arguments: the repository's root, and the function's name.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

OURS = {"main", "functions", "infra", "shared"}


class Recorded(os._Environ):
    """The environment; it notes each name that our own code asks for, there or not."""

    def __init__(self, real: os._Environ[str]) -> None:
        super().__init__(real._data, real.encodekey, real.decodekey, real.encodevalue, real.decodevalue)
        self.asked: set[str] = set()

    def __getitem__(self, key: str) -> str:
        frame = sys._getframe(1)
        while frame.f_back and frame.f_globals.get("__name__") in {"os", "collections.abc"}:
            frame = frame.f_back
        if str(frame.f_globals.get("__name__")).partition(".")[0] in OURS:
            self.asked.add(key)
        return str(super().__getitem__(key))

    def setdefault(self, key: str, value: str) -> str:
        """Set a switch of a library, unless it is set: that is telling, not asking."""
        self[key] = kept = os.getenv(key) or value
        return kept


def main() -> None:
    """Answer calls until there are no more."""
    environment = os.environ = Recorded(os.environ)  # type: ignore[assignment]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from functions_framework import create_app

    root, name = sys.argv[1:]
    app = create_app(target=name.replace("-", "_"), source=f"{root}/main.py")
    for line in sys.stdin:
        answer = _answer(app, **json.loads(line))
        answers.write(json.dumps({**answer, "asked": sorted(environment.asked)}) + "\n")


def _answer(app: Any, method: str, path: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
    # a text is sent as it is: what is signed must not be written anew
    given = {} if body is None else {"data": body} if isinstance(body, str) else {"json": body}
    answer = app.test_client().open(path, method=method, headers=headers, **given)
    return {"status": answer.status_code, "text": answer.text}


if __name__ == "__main__":
    main()
