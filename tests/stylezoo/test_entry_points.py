"""Plugins that distributions declare, well or badly."""

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from stylezoo.entry_points import find_entries

LINES = st.one_of(
    st.sampled_from(
        ["[stylezoo]", "[other]", "a = b", "a = b:c", "a = b [extra]", "=", "a =", "#"]
    ),
    st.text(max_size=12),
)


@given(text=st.lists(LINES, max_size=6).map("\n".join))
@settings(max_examples=200, deadline=None)
def test_no_declaration_hides_those_of_others(text, tmp_path_factory):
    own = [entry for entry in find_entries() if entry.distribution == "stylezoo"]
    folder = tmp_path_factory.mktemp("site")
    info = folder / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_bytes(f"[stylezoo]\n{text}".encode(errors="surrogatepass"))
    sys.path.insert(0, str(folder))
    try:
        found = find_entries()
    finally:
        sys.path.remove(str(folder))
    assert [entry for entry in found if entry.distribution == "stylezoo"] == own
    assert {entry.distribution for entry in found} >= {"stylezoo"}
    for entry in found:
        assert entry.fault or entry.module
        assert all(isinstance(part, str) for part in (entry.name, entry.version, entry.module))
