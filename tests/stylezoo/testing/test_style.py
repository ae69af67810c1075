"""check_style: checking a style folder, as the tests of a style pack do."""

import shutil

import pytest

from stylezoo.testing import assert_conforms, check_style


@pytest.fixture
def folder(toy_style, tmp_path):
    return shutil.copytree(toy_style, tmp_path / "toy" / "1.0.0")


def test_faults_of_a_style_folder_are_told_at_once(folder):
    (folder / "stray.txt").write_text("left over")
    card = folder / "README.md"
    card.write_text(card.read_text() + "changed")
    report = check_style(str(folder))
    with pytest.raises(AssertionError, match=r"stray\.txt") as failure:
        assert_conforms(report)
    assert "README.md" in str(failure.value)
    assert len(report.errors) >= 2
