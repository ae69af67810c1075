"""``stylezoo check``: report every fault of style folders at once."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stylezoo.cli.output import print_json, print_line
from stylezoo.cli.progress import progress

if TYPE_CHECKING:
    from stylezoo.findings import Report

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("check", short_help="Check a style folder as the zoo's CI does.")
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folders: tuple[Path, ...], as_json: bool) -> None:
    """Check FOLDERS: style folders, or folders that hold such, like the whole zoo.

    The record, hashes and sizes, the net and its weights, the golden output, pictures, model card
    and licences: all faults are told at once. What is only advice leaves the exit code 0.
    """
    from stylezoo.check import check_style_folder, find_style_folders

    styles = [(style, root) for root in folders for style in find_style_folders(root)]
    reports = []
    with progress("checking", len(styles)) as advance:
        for style, root in styles:
            reports.append(check_style_folder(style, root=root))
            advance()
    if as_json:
        print_json(
            [{"ok": report.ok, **dataclasses.asdict(report)} for report in reports],
        )
    else:
        _print(reports)
    if not all(report.ok for report in reports):
        sys.exit(1)


def _print(reports: list[Report]) -> None:
    for report in reports:
        count = len(report.errors)
        verdict = "in order" if report.ok else f"{count} fault{'s' if count > 1 else ''}"
        print_line(f"{report.subject}: {verdict}")
        for finding in report.findings:
            kind = "" if finding.severity == "error" else "advice, "
            print_line(f"  {kind}{finding}")
