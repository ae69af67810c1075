import pytest
from PIL import Image

from stylezoo import open_photo
from tests.tiny_optimization import stripes


@pytest.fixture(scope="module")
def photo(astronaut):
    with Image.open(astronaut) as image:
        return open_photo(image.resize((72, 60)))


@pytest.fixture(scope="module")
def painting():
    return stripes("down", [(0.1, 0.2, 0.9), (0.9, 0.9, 0.6)])
