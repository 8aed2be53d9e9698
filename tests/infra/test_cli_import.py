"""`pledge import`: files good and bad, its report, and the vendors' lists. Whatever is in a file, nothing of it is shown."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.cli import main
from infra.container import Container
from infra.imports.explained import COLUMNS
from infra.local.server import SAMPLE_POLICY
from infra.settings import Settings
from shared import suppressions
from shared.promises import objections, people, subjects
from shared.promises.policy import Draft, canonical_text, publish, text_hash
from shared.promises.subjects import Linked
from shared.records import ALL_IMPORTS, Subject
from shared.store import Query, every
from tests.contracts.running_sandbox import RunningSandbox

CUSTOMERS = "user_id,email,email_verified\n"
ANN = "ann@mail.test"
SHOWN = text_hash(canonical_text(SAMPLE_POLICY.read_text()))


class Desk(NamedTuple):
    """Where the command runs."""

    folder: Path
    services: Container
    sandbox: RunningSandbox

    def file(self, content: str | bytes, name: str = "given.csv") -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def report(self) -> list[list[str]]:
        with (self.folder / "report.csv").open(newline="") as file:
            return list(csv.reader(file))

    def subjects(self) -> int:
        return len(list(every(self.services.store, Query(Subject))))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    sandbox = RunningSandbox(tmp_path / "data")
    environment = {
        "DATA_DIR": str(tmp_path / "data"),
        "SENDGRID_API_BASE": sandbox.url("sendgrid"),
        "STRIPE_API_BASE": sandbox.url("stripe"),
        "OPERATORS": "olga",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    services = Container(Settings({**os.environ, **environment}))
    publish(services, Draft(text=SAMPLE_POLICY.read_text(), version="v1"), "set-up")
    yield Desk(tmp_path, services, sandbox)
    sandbox.close()


# --- files -----------------------------------------------------------------------------------------------------------

WHOLE = {
    "empty": (b"", "empty: a header line and at least one row are needed"),
    "a header alone": (CUSTOMERS, "empty: a header line and at least one row are needed"),
    "no header": ("u1,ann@mail.test,true\nu2,bea@mail.test,true\n", "column 1 of the first line is none of user_id"),
    "an unknown column": ("user_id,Shoe Size\nu1,44\n", "column 2 of the first line, shoe size, is none of user_id"),
    "an unknown column that may be an address": (
        "user_id,ann@mail.test\nu1,1\n",
        "column 2 of the first line is none of user_id",
    ),
    "a column without a name": ("user_id,\nu1,1\n", "column 2 of the first line is none of user_id"),
    "a missing column": ("email,email_verified\nann@mail.test,true\n", "column user_id is missing"),
    "a column twice": ("user_id,email,email\nu1,a@mail.test,b@mail.test\n", "column email stands twice"),
    "a column twice in capitals": ("user_id,Email,email\nu1,a@mail.test,b@mail.test\n", "column email stands twice"),
    "another separator": ("user_id|email\nu1|ann@mail.test\n", "; commas, semicolons, tabs set columns apart"),
    "UTF-16": (f"{CUSTOMERS}u1,ann@mail.test,true\n".encode("utf-16"), "not UTF-8 text"),
    "UTF-16 without a mark": (f"{CUSTOMERS}u1,ann@mail.test,true\n".encode("utf-16-le"), "not UTF-8 text"),
    "Latin-1": (f"user_id,name\nu1,J{chr(252)}rgen\n".encode("latin-1"), "not UTF-8 text"),
    "a quote that is never closed": (
        f'{CUSTOMERS}u1,"ann@mail.test,true\nu2,bea@mail.test,true\n',
        "a quote is not closed",
    ),
    "a quote inside": (
        f'{CUSTOMERS}u1,"ann"@mail.test,true\n',
        "a quote is not closed, or stands in the middle of a cell",
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_file_whose_structure_is_wrong_is_refused_whole(
    desk: Desk, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    content, why = WHOLE[case]
    assert main(["import", "customers", desk.file(content)]) == 1
    said = capsys.readouterr().err
    assert why in said
    assert "mail.test" not in said
    assert desk.subjects() == 0
    assert not list(every(desk.services.store, ALL_IMPORTS))


NO_FILES = {
    "": "a folder, not a file",
    "nowhere.csv": "nowhere.csv: there is no such file or folder",
    "given.csv/more.csv": "more.csv: no such folder",
}


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_refused(desk: Desk, capsys: pytest.CaptureFixture[str], name: str) -> None:
    desk.file(CUSTOMERS)
    assert main(["import", "customers", str(desk.folder / name)]) == 1
    said = capsys.readouterr().err
    assert NO_FILES[name] in said
    assert "Errno" not in said


NO_REPORTS = {".": "a folder, and a file is needed", "no/such/r.csv": "there is no such file or folder"}


@pytest.mark.parametrize("name", NO_REPORTS)
def test_a_report_that_cannot_be_written_is_told_before_anything_is_taken(
    desk: Desk, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    given = desk.file(f"{CUSTOMERS}u1,{ANN},true\n")
    assert main(["import", "customers", given, "--report", str(desk.folder / name)]) == 1
    said = capsys.readouterr().err
    assert NO_REPORTS[name] in said
    assert "Errno" not in said
    assert desk.subjects() == 0


SEPARATED = {
    "commas": "user_id,email,email_verified\nu1,ann@mail.test,true\n",
    "semicolons": "user_id;email;email_verified\nu1;ann@mail.test;true\n",
    "tabs": "user_id\temail\temail_verified\nu1\tann@mail.test\ttrue\n",
    "quoted": '"user_id";"email";"email_verified"\n"u1";"ann@mail.test";"true"\n',
    "capitals and blanks": "User_ID , EMAIL,Email_Verified\nu1,ann@mail.test,true\n",
    "semicolons in a cell": 'user_id;email;email_verified;stripe_customer_ids\nu1;ann@mail.test;true;"cus_1;cus_2"\n',
}


@pytest.mark.parametrize("case", SEPARATED)
def test_columns_are_found_by_their_names_however_they_are_set_apart_and_written(desk: Desk, case: str) -> None:
    assert main(["import", "customers", desk.file(SEPARATED[case])]) == 0
    assert [one.known.user_id for one in people.by_address(desk.services, ANN)] == ["u1"]


def test_a_row_of_another_separator_than_the_header_is_told_which_is_expected(desk: Desk) -> None:
    given = desk.file("user_id;email\nu1,ann@mail.test\nu2;bea@mail.test\n")
    assert main(["import", "customers", given, "--report", str(desk.folder / "report.csv")]) == 0
    assert desk.report()[1:] == [["2", "row", "1 cells where the first line has 2, set apart by semicolons"]]


@pytest.mark.parametrize("what", ["customers", "consents", "unsubscribes"])
def test_help_says_what_each_column_holds(capsys: pytest.CaptureFixture[str], what: str) -> None:
    with pytest.raises(SystemExit):
        main(["import", what, "--help"])
    said = capsys.readouterr().out
    assert all(f"\n  {name}" in said for name in COLUMNS[what][1])
    assert "commas, semicolons or tabs" in said
    assert ("cus_…; several apart by spaces or semicolons" in said) is (what == "customers")


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_refused_rows_tell_how_to_have_their_report(
    desk: Desk, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    hint = "with --report FILE"
    given, report = desk.file(f"{CUSTOMERS}a/b,,\n"), ["--report", str(desk.folder / "report.csv")]
    for arguments, told in (([], True), ([], True), (report, False)):
        assert main(["import", "customers", given, *more, *arguments]) == 0
        assert (hint in capsys.readouterr().out) is told
    assert main(["import", "customers", desk.file(f"{CUSTOMERS}u1,,\n", "good.csv"), *more]) == 0
    assert hint not in capsys.readouterr().out


ROWS = {
    "no user": (",ann@mail.test,true", "user_id"),
    "an impossible user": ("a/b,ann@mail.test,true", "user_id"),
    "no address": ("u1,ann at mail,true", "email"),
    "two addresses": ('u1,"ann@mail.test,bea@mail.test",true', "email"),
    "an address with a NUL": ("u1,ann\0@mail.test,true", "email"),
    "an odd truth": ("u1,ann@mail.test,maybe", "email_verified"),
    "a negative truth": ("u1,ann@mail.test,-1", "email_verified"),
    "a number for a truth": ("u1,ann@mail.test,2", "email_verified"),
    "a line break in a cell": ('u1,"ann@mail.test\nx",true', "email"),
    "a megabyte": (f"u1,{'a' * 1_000_000}@mail.test,true", "email"),
    "too few cells": ("u1", "row"),
    "too many cells": ("u1,ann@mail.test,true,more", "row"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_is_wrong_is_reported_by_line_and_field_and_the_others_are_taken(desk: Desk, case: str) -> None:
    row, field = ROWS[case]
    content = f"{CUSTOMERS}ok1,ok1@mail.test,true\n{row}\nok2,ok2@mail.test,true\n"
    assert main(["import", "customers", desk.file(content), "--report", str(desk.folder / "report.csv")]) == 0
    header, refused = desk.report()
    assert header == ["line", "field", "rule"]
    assert refused[:2] == ["3", field]
    assert desk.subjects() == 2
    assert "mail.test" not in refused[2]


@pytest.mark.parametrize("at", ["", "2025-05-01", "2025-05-01T12:00:00", "1714564800", "-1", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "1970-01-01T00:00:00Z", "2025-02-30T12:00:00Z", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59Z"])  # fmt: skip
def test_a_decision_without_a_real_time_is_refused(desk: Desk, at: str) -> None:
    subjects.link(desk.services, Linked(user_id="u1"))
    content = f"user_id,purpose,granted,at,policy_version,method,source\nu1,analytics,true,{at},v1,form,site\n"
    told = ["--no-suppressions-exist", "--by", "olga", "--report", str(desk.folder / "report.csv")]
    assert main(["import", "consents", desk.file(content), *told]) == 0
    assert [row[:2] for row in desk.report()[1:]] == [["2", "at"]]


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        (",,analytics,true,v1,form,site", "user_id"),
        ("u1,ann@mail.test,analytics,true,v1,form,site", "user_id"),
        ("nobody,,analytics,true,v1,form,site", "user_id"),
        ("u1,,account,true,v1,form,site", "purpose"),
        ("u1,,whatever,true,v1,form,site", "purpose"),
        ("u1,,analytics,,v1,form,site", "granted"),
        ("u1,,analytics,perhaps,v1,form,site", "granted"),
        ("u1,,analytics,true,v0,form,site", "policy_version"),
        ("u1,,analytics,true,v1,ann@mail.test,site", "method"),
        ("u1,,analytics,true,v1,telepathy,site", "method"),
        ("u1,,analytics,true,v1,form,", "source"),
    ],
)
def test_a_consent_that_is_none_is_refused_by_its_field(desk: Desk, cells: str, field: str) -> None:
    subjects.link(desk.services, Linked(user_id="u1"))
    header = "user_id,email,purpose,granted,policy_version,method,source,at,text_sha256"
    content = f"{header}\n{cells},2026-01-01T12:00:00Z,{SHOWN}\n"
    told = ["--no-suppressions-exist", "--by", "olga", "--report", str(desk.folder / "report.csv")]
    assert main(["import", "consents", desk.file(content), *told]) == 0
    assert [row[:2] for row in desk.report()[1:]] == [["2", field]]


def test_a_mark_windows_line_ends_quotes_and_blank_lines_are_read(desk: Desk) -> None:
    content = f'\ufeff{CUSTOMERS}\r\n"u1","ann@mail.test",true\r\n\r\nu2,"bea@mail.test",""'.replace(
        "\n\r\n", "\r\n", 1
    )
    assert main(["import", "customers", desk.file(content)]) == 0
    assert desk.subjects() == 2
    assert len(people.by_address(desk.services, ANN)) == 1


@pytest.mark.parametrize("blank", ["\n", "\r\n\n", "\ufeff\n"])
def test_a_header_behind_blank_lines_is_no_customer(desk: Desk, blank: str) -> None:
    given = desk.file(f"{blank}{CUSTOMERS}u1,{ANN},true\n\na/b,,\n")
    assert main(["import", "customers", given, "--report", str(desk.folder / "report.csv")]) == 0
    assert desk.subjects() == 1
    assert people.by_user(desk.services, "user_id") is None
    assert [row[0] for row in desk.report()[1:]] == [str(blank.count("\n") + 4)]


def test_blanks_around_cells_are_no_part_of_them(desk: Desk) -> None:
    subjects.link(desk.services, Linked(user_id="u1"))
    assert main(["import", "customers", desk.file(f"{CUSTOMERS}u1 , {ANN} , yes\n")]) == 0
    assert desk.subjects() == 1
    assert [one.known.user_id for one in people.by_address(desk.services, ANN)] == ["u1"]


def test_a_row_behind_a_cell_of_several_lines_is_reported_by_its_own_line(desk: Desk) -> None:
    content = f'{CUSTOMERS}"u\n1",,\n\na/b,,\n'
    main(["import", "customers", desk.file(content), "--report", str(desk.folder / "report.csv")])
    assert [row[0] for row in desk.report()[1:]] == ["2", "5"]


def test_a_file_taken_in_is_not_taken_again_and_its_report_can_be_had_again(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    given, report = desk.file(f"{CUSTOMERS}u1,ann@mail.test,true\na/b,,\n"), str(desk.folder / "report.csv")
    main(["import", "customers", given, "--report", report])
    first, stored = desk.report(), desk.services.store.query(Query(Subject))
    Path(report).unlink()
    main(["import", "customers", given, "--report", report])
    assert "nothing is left" in capsys.readouterr().out
    assert desk.report() == first
    assert desk.services.store.query(Query(Subject)) == stored
    desk.file(f"{CUSTOMERS}u1,ann@mail.test,true\nu2,,\n")
    main(["import", "customers", given])
    assert desk.subjects() == 2


def test_a_dry_run_reports_and_leaves_nothing(desk: Desk) -> None:
    given = desk.file(f"{CUSTOMERS}u1,ann@mail.test,true\na/b,,\n")
    assert main(["import", "customers", given, "--dry-run", "--report", str(desk.folder / "report.csv")]) == 0
    assert [row[:2] for row in desk.report()[1:]] == [["3", "user_id"]]
    assert desk.subjects() == 0
    assert not list(every(desk.services.store, ALL_IMPORTS))


@pytest.mark.parametrize(
    "arguments",
    [
        ["customers"],
        ["customers", "FILE", "--from", "stripe"],
        ["customers", "FILE", "--report", "FILE"],
        ["customers", "FILE", "--report", "no/such/folder/r.csv"],
        ["consents", "FILE"],
        ["consents", "FILE", "--no-suppressions-exist"],
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(desk: Desk, arguments: list[str]) -> None:
    given = desk.file(f"{CUSTOMERS}u1,ann@mail.test,true\n")
    assert main(["import", *(given if one == "FILE" else one for one in arguments)]) == 1
    assert Path(given).read_text().startswith(CUSTOMERS)
    assert desk.subjects() == 0


# --- SendGrid --------------------------------------------------------------------------------------------------------


def test_sendgrids_lists_stop_marketing_and_mark_mailboxes(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    for user in ("bounced", "invalid", "blocked"):
        linked = Linked(user_id=user, email=f"{user}@mail.test", email_verified=True)
        subjects.link(desk.services, linked)
    for mark in ("unsubscribed", "group", "reported_spam", "bounced", "blocked", "invalid"):
        desk.sandbox.put("sendgrid", email=f"{mark}@mail.test", **{mark: True})
    assert main(["import", "suppressions", "--from", "sendgrid"]) == 0
    for mark in ("unsubscribed", "group", "reported_spam"):
        assert objections.stopped(desk.services, f"{mark}@mail.test")["marketing"].reason == "objection", mark
    for user, marked in (("bounced", True), ("invalid", True), ("blocked", False)):
        found = people.by_user(desk.services, user)
        assert found is not None
        assert (found.stored.record.unreachable_at is not None) is marked, user
        assert suppressions.of(desk.services, f"{user}@mail.test") == {}
    before = len(list(every(desk.services.store, ALL_IMPORTS)))
    assert main(["import", "suppressions", "--from", "sendgrid"]) == 0
    assert before == len(list(every(desk.services.store, ALL_IMPORTS))) == 1
    assert "stopped" not in capsys.readouterr().out.rpartition("suppressions")[2]


def test_what_we_put_on_sendgrids_list_ourselves_is_nobodys_no(desk: Desk) -> None:
    from infra.subprocessors.sendgrid_lists import SuppressionLists

    lists = SuppressionLists(desk.services.sendgrid.call, desk.services.store, desk.services.vault)
    lists.restrict(ANN, ["r1"], desk.services.clock.now())
    main(["import", "suppressions", "--from", "sendgrid"])
    assert suppressions.of(desk.services, ANN) == {}


def test_long_lists_are_read_page_by_page(desk: Desk) -> None:
    for start in range(0, 1001, 500):
        emails = [f"p{n}@mail.test" for n in range(start, min(start + 500, 1001))]
        key = {"Authorization": "Bearer SG.any"}
        desk.sandbox.ask("POST", "/sendgrid/v3/asm/suppressions/global", {"recipient_emails": emails}, **key)
    main(["import", "suppressions", "--from", "sendgrid"])
    (stored,) = every(desk.services.store, ALL_IMPORTS)
    assert stored.record.counts == {"rows": 1001, "stopped": 1001}


def test_a_page_that_fails_leaves_the_import_open_and_consents_waiting(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.sandbox.put("sendgrid", email=ANN, unsubscribed=True)
    desk.sandbox.break_at(2)
    assert main(["import", "suppressions", "--from", "sendgrid"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("pledge: SendGrid ")
    assert "run the same command again in some minutes (sendgrid_" in said
    consents = desk.file("user_id,purpose,granted,at\nu1,analytics,false,2026-01-01T12:00:00Z\n")
    assert main(["import", "consents", consents]) == 1
    desk.sandbox.break_at(None)
    assert main(["import", "suppressions", "--from", "sendgrid"]) == 0
    assert main(["import", "consents", consents]) == 0
    assert list(objections.stopped(desk.services, ANN)) == ["marketing"]


# --- Stripe ----------------------------------------------------------------------------------------------------------


def test_a_stripe_customer_counts_for_the_account_that_names_it_and_an_address_alone_for_nobody(desk: Desk) -> None:
    (named,) = desk.sandbox.put("stripe", email=ANN, name="Ann")[:1]
    (unnamed,) = desk.sandbox.put("stripe", email="bea@mail.test", name="Bea")[:1]
    (shared,) = desk.sandbox.put("stripe", email="cyd@mail.test", name="Cyd")[:1]
    for user, email, ids in (
        ("u1", None, [named]),
        ("u2", "bea@mail.test", []),
        ("u3", None, [shared]),
        ("u4", None, [shared]),
    ):
        subjects.link(desk.services, Linked(user_id=user, email=email, email_verified=True, stripe_customer_ids=ids))
    report = str(desk.folder / "report.csv")
    assert main(["import", "customers", "--from", "stripe", "--report", report]) == 0
    assert {(row[0], row[1]) for row in desk.report()[1:]} == {
        (unnamed, "stripe_customer_ids"),
        (shared, "stripe_customer_ids"),
    }
    names = {user: people.by_user(desk.services, user) for user in ("u1", "u2", "u3", "u4")}
    assert {user: found.known.name for user, found in names.items() if found} == {
        "u1": "Ann", "u2": None, "u3": None, "u4": None,
    }  # fmt: skip
    assert people.by_address(desk.services, ANN) == []
