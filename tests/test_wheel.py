"""The wheel: built, installed into its own environment, and used outside the checkout."""

import os
import subprocess
import sys
import sysconfig
import venv

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory):
    """An environment with the wheel.

    Dependencies come from the one running the tests, as a folder on the path, so that no
    editable install of stylezoo comes along.
    """
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", folder, root),
        ],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel],
        check=True,
    )
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python


def test_the_first_command_works_outside_the_checkout(installed, astronaut, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command):
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    place = "import stylezoo, stylezoo_styles; print(stylezoo.__file__, stylezoo_styles.__file__)"
    for path in run(installed, "-c", place).split():
        assert path.startswith(str(installed.parents[1]))
    stylezoo = installed.with_name("stylezoo")
    assert "great-wave" in run(stylezoo, "list")
    run(stylezoo, "apply", "great-wave", astronaut, "-o", "astronaut-great-wave.png")
    with Image.open(tmp_path / "astronaut-great-wave.png") as out:
        assert out.size == (512, 512)
