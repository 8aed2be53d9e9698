"""What every `Archive` must do, whatever it stands on. Subclasses supply an empty `archive`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.ports import Archive

NAME = "checkpoints/000001.jws"


class ArchiveContract:
    """Inherited by the tests of each twin."""

    def test_what_is_kept_is_read_back_byte_for_byte(self, archive: Archive) -> None:
        for number, content in enumerate((b"head.body.signature", b"", b"\0\xff\r\n" * 1000)):
            assert archive.keep(f"checkpoints/{number}", content) is True
            assert archive.read(f"checkpoints/{number}") == content

    def test_what_stands_there_stays_as_it_is(self, archive: Archive) -> None:
        assert archive.keep(NAME, b"first") is True
        for content in (b"second", b"first", b""):
            assert archive.keep(NAME, content) is False
            assert archive.read(NAME) == b"first"

    @pytest.mark.parametrize(
        "name", ["checkpoints/2", "checkpoints", "check", "checkpoints/000001.jws/x", "elsewhere/1"]
    )
    def test_nothing_stands_under_a_name_that_was_never_kept(self, archive: Archive, name: str) -> None:
        archive.keep("checkpoints/1", b"x")
        assert archive.read(name) is None

    def test_an_empty_archive_has_no_names(self, archive: Archive) -> None:
        assert list(archive.names("")) == []
        assert list(archive.names("checkpoints/")) == []
        assert archive.read(NAME) is None

    def test_names_come_in_order_and_only_those_that_begin_so(self, archive: Archive) -> None:
        for name in ("checkpoints/000010", "checkpoints/000002", "other/1", "checkpoints/000001", "checkpointsx"):
            archive.keep(name, b"x")
        assert list(archive.names("checkpoints/")) == [
            "checkpoints/000001",
            "checkpoints/000002",
            "checkpoints/000010",
        ]
        assert list(archive.names("checkpoints/00001")) == ["checkpoints/000010"]
        assert list(archive.names("none/")) == []

    def test_of_many_that_write_at_once_exactly_one_is_kept_whole(self, archive: Archive) -> None:
        contents = [bytes([number]) * 10_000 for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            kept = list(pool.map(lambda content: archive.keep(NAME, content), contents))
        assert sum(kept) == 1
        assert archive.read(NAME) == contents[kept.index(True)]
        assert list(archive.names("")) == [NAME]
