"""`pledge import`: customers, consents, unsubscribes and suppressions from before, from CSV files, SendGrid and Stripe."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.container import Container
from infra.imports.explained import COLUMNS, explained
from infra.imports.progress import Meter
from infra.imports.table import Table, table
from infra.imports.trouble import told
from shared.failures import BadInput, NeverRetry, TryAgain
from shared.imports import consents, customers, stops
from shared.imports.deciding import REFUSED, ROWS, Progress, rehearse
from shared.imports.rows import Kind, Row
from shared.promises import importing
from shared.promises.importing import Asked, Run
from shared.records import Import
from shared.store import Stored

VENDORS = {"customers": "stripe", "suppressions": "sendgrid"}
REPORT = ("line", "field", "rule")


@dataclass(frozen=True)
class Given:
    """What is imported, and its rows. `table`: the file they come from."""

    asked: Asked
    table: Table | None
    rows: Iterable[Row]


def add_to(commands: Any) -> None:
    """Add this command to the command line's."""
    parser = commands.add_parser("import", help="take in what people said before Pledge was there")
    kinds = parser.add_subparsers(required=True, metavar="WHAT", dest="what")
    for what in ("customers", "consents", "unsubscribes", "suppressions"):
        kind = kinds.add_parser(
            what,
            help=_help(what),
            description=explained(what) if what in COLUMNS else _help(what),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if what in COLUMNS:
            kind.add_argument(
                "file", type=Path, nargs="?" if what in VENDORS else None, help="CSV, UTF-8, with a header"
            )
        if what in VENDORS:
            kind.add_argument("--from", dest="vendor", choices=[VENDORS[what]], required=what not in COLUMNS)
        kind.add_argument("--dry-run", action="store_true", help="decide every row, write nothing")
        kind.add_argument("--report", type=Path, help="write each row that is not taken, and why: a CSV file")
        kind.add_argument("--by", help="who imports; the first of OPERATORS when absent")
        kind.add_argument("--no-suppressions-exist", action="store_true", help="nobody ever unsubscribed; needs --by")
        kind.set_defaults(run=_import, file=None, vendor=None)


def _help(what: str) -> str:
    columns = f"columns {', '.join(COLUMNS[what][1])}" if what in COLUMNS else "SendGrid's lists"
    return columns + (f"; or --from {VENDORS[what]}" if what == "customers" else "")


def _import(asked: argparse.Namespace, container: Container) -> int:
    try:
        return _imported(asked, container)
    except (OSError, TryAgain, NeverRetry) as trouble:
        sys.stderr.write(f"pledge: {told(trouble)}\n")
        return 1


def _imported(asked: argparse.Namespace, container: Container) -> int:
    given = _given(asked, container)
    kept = _report_of(asked)
    if asked.dry_run:
        importing.must_wait_for_suppressions(container, given.asked)
        with _report(kept) as report:
            counts = _followed(rehearse(container, _kind(container, given, "dry-run"), given.rows), given, report)
        _tell(f"{asked.what}: dry run, nothing was written", counts, kept)
        return 0
    stored = importing.begin(container, given.asked)
    if stored.record.state == "done":
        _tell(
            f"{asked.what}: taken in at {stored.record.done_at:%Y-%m-%d %H:%M}, nothing is left",
            stored.record.counts,
            kept,
        )
    else:
        counts = _taken(container, given, stored, None if given.table else kept).counts
        _tell(f"{asked.what}: taken in", counts, kept)
    if given.table:
        with _report(kept) as report:
            report.writerows((one.line, one.field, one.rule) for one in importing.refused_rows(container, stored.id))
    return 0


def _given(asked: argparse.Namespace, container: Container) -> Given:
    if asked.no_suppressions_exist and not asked.by:
        raise BadInput("say who says so", "--by")
    if (asked.file is None) == (asked.vendor is None):
        raise BadInput(f"either a file or --from {VENDORS.get(asked.what)}", asked.what)
    by, none_exist = asked.by or container.operators[0], asked.no_suppressions_exist
    if asked.vendor:
        return Given(
            Asked(asked.what, asked.vendor, by, none_exist=none_exist), None, _vendor_rows(container, asked.vendor)
        )
    found = table(asked.file, *COLUMNS[asked.what])
    return Given(Asked(asked.what, "file", by, found.digest, none_exist), found, found.rows())


def _vendor_rows(container: Container, vendor: str) -> Iterator[Row]:
    if vendor == "stripe":
        from infra.imports import stripe

        return stripe.rows(container.stripe)
    from infra.imports import sendgrid
    from infra.subprocessors.sendgrid_lists import SuppressionLists

    lists = SuppressionLists(container.sendgrid.call, container.store, container.vault)
    return sendgrid.rows(container.sendgrid.call, container.company, lists.is_ours)


def _kind(container: Container, given: Given, id: str) -> Kind:
    if given.asked.source == "stripe":
        from infra.imports.stripe import StripeCustomers

        return StripeCustomers()
    if given.asked.what == "customers":
        return customers.Customers(container)
    if given.asked.what == "consents":
        return consents.Consents(container, id, given.asked.by)
    return stops.Stops(container.company, container.clock.now())


def _taken(container: Container, given: Given, stored: Stored[Import], kept: Path | None) -> Import:
    run = Run(container, stored, _kind(container, given, stored.id))
    with _report(kept) as report:
        _followed(run.take(given.rows), given, report)
    run.end()
    return run.record


def _followed(progress: Iterator[Progress], given: Given, report: Any) -> dict[str, int]:
    """Show progress and write what is refused as it comes; return the last counts."""
    meter, counts = Meter(sys.stderr, given.table.last if given.table else None), dict[str, int]()
    for one in progress:
        counts = one.counts
        meter.show(one)
        report.writerows((refusal.where or refusal.line, refusal.field, refusal.rule) for refusal in one.refused)
    meter.end()
    return counts


def _report_of(asked: argparse.Namespace) -> Path | None:
    """Return where the report goes, tried before the first row is taken."""
    path: Path | None = asked.report
    if path is not None:
        if asked.file is not None and path.resolve() == asked.file.resolve():
            raise BadInput("another file than the one that is imported", "--report")
        path.open("a").close()
    return path


@contextmanager
def _report(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield _Nowhere()
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(REPORT)
        yield writer


class _Nowhere:
    def writerows(self, rows: Iterable[Any]) -> None:
        """Write nothing."""
        for _ in rows:
            pass


def _tell(what: str, counts: dict[str, int], report: Path | None) -> None:
    sys.stdout.write(f"{what}\n")
    order = [ROWS, *sorted(counts.keys() - {ROWS, REFUSED}), REFUSED]
    for word in order:
        sys.stdout.write(f"  {word.replace('_', ' '):<14}{counts.get(word, 0):>10,}\n")
    if counts.get(REFUSED) and report is None:
        sys.stdout.write("Run the same command with --report FILE to have the refused rows, and why, in a CSV file.\n")
