"""``stylezoo new``: create a project to start a plugin from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stylezoo.cli.output import print_json, print_line
from stylezoo.scaffold import KINDS, write_project

if TYPE_CHECKING:
    from stylezoo.scaffold import Project

TRY = {
    "backbone": "stylezoo optimize photo.jpg --style painting.jpg --preset best --backbone {name} "
    "--content-layers relu2 --style-layers relu1,relu2,relu3 -o out.png",
    "loss": "stylezoo optimize photo.jpg --style painting.jpg --preset best --loss {name}:5 "
    "-o out.png",
    "norm": "stylezoo train painting.jpg --photos photos --base none --norm {name} -o style",
    "style-pack": "stylezoo apply {name}-example photo.jpg",
}


@click.command("new")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to make  [default: stylezoo-NAME]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(kind: str, name: str, output: Path | None, as_json: bool) -> None:
    """Start a plugin that provides a component: KIND, called NAME.

    It is a small project with an example to change, which installs and passes its tests as it is.
    """
    project = write_project(kind, name, output)
    if as_json:
        print_json(
            {
                "kind": project.kind,
                "name": project.name,
                "distribution": project.distribution,
                "folder": str(project.folder),
                "files": [str(path) for path in project.files],
            }
        )
        return
    for line in _lines(project):
        print_line(line)


def _lines(project: Project) -> list[str]:
    """What was written, and what to do next."""
    folder = shlex.quote(str(project.folder))
    lines = [f"{project.folder}:", *(f"  {path}" for path in project.files)]
    lines += ["next:", f"  cd {folder}", '  pip install -e ".[test]"', "  pytest"]
    if project.kind in TRY:
        lines.append(f"  {TRY[project.kind].format(name=project.name)}")
    return lines
