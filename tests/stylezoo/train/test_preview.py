"""The preview of a style folder."""

import numpy as np
import pytest

from stylezoo.check import MAX_PREVIEW_SIDE
from stylezoo.images import Photo
from stylezoo.train.preview import preview_of


@pytest.mark.parametrize("styles", [2, 29, 70])
def test_the_preview_of_a_pack_passes_the_check_however_many_styles_it_has(styles):
    tall = Photo(rgb=np.zeros((300, 200, 3), np.float32))
    preview = preview_of({f"style-{number}": lambda photo: photo for number in range(styles)}, tall)
    assert max(preview.size) <= MAX_PREVIEW_SIDE
    assert preview.width >= 2 * 170
