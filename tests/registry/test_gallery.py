"""docs/gallery shows every embedded style, with the figures from its record."""

import runpy

import stylezoo


def test_the_page_is_made_from_the_records_and_its_sheets_are_there(root):
    gallery = runpy.run_path(str(root / "registry" / "gallery.py"))
    records = gallery["own_records"]()
    embedded = stylezoo.FolderSource(gallery["STYLES"]).names()
    assert [record.name for record in records] == embedded
    folder = root / "docs" / "gallery"
    assert (folder / "README.md").read_text() == gallery["page"](records)
    sheets = {gallery["sheet_name"](r, s) for r in records if not r.styles for s in (512, 1024)}
    assert {path.name for path in folder.iterdir()} == {"README.md", "all.jpg", *sheets}
