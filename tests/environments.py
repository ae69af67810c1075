"""Separate environments for tests of installed packages, sharing all but stylezoo."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


def build_wheels(projects, folder):
    """Build each project with pip and the build tools of the environment running the tests."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, *projects], check=True)
    return sorted(Path(folder).glob("*.whl"))


class Environment:
    """A fresh virtual environment.

    Dependencies come from the one running the tests, as a folder on the path, so that
    nothing editable comes along.

    Args:
        folder: its location.
        shared: further folders on its path.
    """

    def __init__(self, folder, shared=()):
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        (self.site,) = (folder / "lib").glob("python*/site-packages")
        paths = [*map(str, shared), sysconfig.get_path("purelib")]
        (self.site / "shared.pth").write_text("\n".join(paths))

    def install(self, *wheels):
        """Install wheels without dependencies, ignoring shared packages."""
        pip = [sys.executable, "-m", "pip", "--python", self.python]
        options = ["--quiet", "--no-deps", "--ignore-installed"]
        subprocess.run([*pip, "install", *options, *wheels], check=True)

    def run(self, *arguments, **options):
        """Run Python and capture its output."""
        options = {"capture_output": True, "text": True, **options}
        return subprocess.run([self.python, *arguments], **options)
