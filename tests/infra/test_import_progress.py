"""Progress: a bar where somebody looks, a few lines where a log is written."""

from __future__ import annotations

import io

import pytest

from infra.imports.progress import Meter
from shared.imports.deciding import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at(line: int, refused: int = 0) -> Progress:
    return Progress(line, {"rows": line, "refused": refused}, [])


def test_a_terminal_shows_one_bar_that_fills() -> None:
    out = Terminal()
    meter = Meter(out, 2000)
    meter.show(at(1000, refused=3))
    assert out.getvalue() == f"\r[{'#' * 15}{'.' * 15}]  50%  1,000 rows, 3 refused "
    meter.show(at(2000))
    meter.end()
    assert out.getvalue().count("\n") == 1
    assert f"[{'#' * 30}] 100%" in out.getvalue()


@pytest.mark.parametrize(("total", "lines"), [(100_000, 10), (None, 20)])
def test_elsewhere_a_line_comes_now_and_then(total: int | None, lines: int) -> None:
    out = io.StringIO()
    meter = Meter(out, total)
    for line in range(100, 100_001, 100):
        meter.show(at(line))
    meter.end()
    shown = out.getvalue().splitlines()
    assert len(shown) == lines
    assert shown[-1].endswith("100,000 rows, 0 refused")
