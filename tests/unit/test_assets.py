"""Files for the browser: named by content, compressed beforehand, nothing outside the folder."""

import gzip
import re
from pathlib import Path

import pytest

from observatory.web.assets import Assets, Cache


@pytest.fixture
def assets(tmp_path: Path) -> Assets:
    folder = tmp_path / "assets"
    (folder / "public").mkdir(parents=True)
    (folder / "app.css").write_text("body { background: url('public/dot.svg') } /* " + "x" * 3000 + " */")
    (folder / "public" / "dot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "notes.py").write_text("secret = 1")
    (tmp_path / "outside.css").write_text("outside")
    return Assets(folder, Cache(tmp_path / "cache"), {})


def test_the_address_changes_with_the_content_and_only_with_it(assets: Assets):
    first = assets.url("public/dot.svg")

    again = assets.url("public/dot.svg")
    (assets.folder / "public" / "dot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' width='1'/>")

    assert first == again != assets.url("public/dot.svg")
    assert re.fullmatch(r"/assets/public/dot\.[0-9a-f]{16}\.svg", first)


def test_a_style_sheet_names_the_files_it_uses_by_their_fingerprint(assets: Assets):
    packed = assets.packed("app.css")

    assert packed is not None
    assert assets.url("public/dot.svg") in packed.encodings[""].read_text()


def test_the_compressed_copy_is_the_same_file_and_smaller(assets: Assets):
    packed = assets.packed("app.css")

    assert packed is not None
    plain, small = packed.encodings[""].read_bytes(), packed.encodings["gzip"].read_bytes()
    assert gzip.decompress(small) == plain
    assert len(small) < len(plain) / 10


def test_a_second_process_finds_the_copies_of_the_first(assets: Assets):
    assets.packed("app.css")
    written = {path: path.stat().st_mtime_ns for path in assets.cache.folder.iterdir()}

    Assets(assets.folder, Cache(assets.cache.folder), {}).packed("app.css")

    assert {path: path.stat().st_mtime_ns for path in assets.cache.folder.iterdir()} == written


@pytest.mark.parametrize(
    "name", ["../outside.css", "public/../../outside.css", "/etc/passwd", ".hidden.css", "notes.py", "missing.css", ""]
)
def test_nothing_else_is_served(assets: Assets, name: str):
    assert assets.packed(name) is None


def test_a_link_that_leads_outside_is_not_followed(assets: Assets, tmp_path: Path):
    (assets.folder / "link.css").symlink_to(tmp_path / "outside.css")

    assert assets.packed("link.css") is None


def test_an_unknown_name_has_no_address(assets: Assets):
    with pytest.raises(KeyError):
        assets.url("missing.css")
