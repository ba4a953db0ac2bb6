"""What was last deployed is remembered by server and alias; where it can't be, nothing breaks."""

from __future__ import annotations

from pathlib import Path

from rayfaas.remembered import Remembered


def test_it_is_of_one_alias_of_one_server(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "home" / "deployed")
    remembered.remember("http://a", "red/f@live", 3)
    remembered.remember("http://a", "red/f@live", 4)
    assert Remembered(tmp_path / "home" / "deployed").revision("http://a", "red/f@live") == 4
    assert remembered.revision("http://b", "red/f@live") is None
    assert remembered.revision("http://a", "red/f@prod") is None
    assert [path.read_text() for path in (tmp_path / "home" / "deployed").iterdir()] == ["4"]


def test_a_blank_one_knows_nothing_and_remembers(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path)
    remembered.remember("http://a", "red/f@live", 3)
    assert remembered.blank().revision("http://a", "red/f@live") is None
    remembered.blank().remember("http://a", "red/f@live", 5)
    assert remembered.revision("http://a", "red/f@live") == 5


def test_a_place_that_can_not_be_written_or_holds_nonsense_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = Remembered(tmp_path / "file" / "deployed")
    nowhere.remember("http://a", "red/f@live", 3)
    assert nowhere.revision("http://a", "red/f@live") is None
    remembered = Remembered(tmp_path / "deployed")
    remembered.remember("http://a", "red/f@live", 3)
    next((tmp_path / "deployed").iterdir()).write_bytes(b"\xff\x00nonsense")
    assert remembered.revision("http://a", "red/f@live") is None


def test_a_home_that_it_makes_is_its_owners_only(tmp_path: Path) -> None:
    Remembered(tmp_path / "home" / "deployed").remember("http://server", "nlp/embed@live", 3)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
