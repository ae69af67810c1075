"""Check a style folder: contributors run this locally, and CI on the whole zoo.

One run finds every fault. A record that breaks the format is read as far as possible, so that a
misspelt licence does not hide a wrong hash.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.errors import (
    ComponentNotFoundError,
    IntegrityError,
    RecordError,
    StyleNotFoundError,
    StyleZooError,
)
from stylezoo.files import is_unfinished
from stylezoo.findings import Finding, Report
from stylezoo.registry.card import render_card
from stylezoo.registry.folder import FolderSource
from stylezoo.registry.golden import golden_output_difference, golden_run
from stylezoo.registry.pinned import find_base
from stylezoo.registry.record import RECORD_FILE, Base, File, Record, Role
from stylezoo.registry.record_io import parse_record, parse_record_parts, read_record_text
from stylezoo.registry.record_text import UNKNOWN
from stylezoo.registry.sources import all_sources
from stylezoo.registry.verify import sha256_of, verify_files
from stylezoo.registry.weights import (
    METADATA_KEY,
    read_header,
    read_net_metadata,
    read_tensors,
    stored_dtype,
    weights_faults,
)

if TYPE_CHECKING:
    from torch import Tensor

    from stylezoo.interfaces.net import TransformNet

PICTURE_ROLES: tuple[Role, ...] = ("preview", "painting")
TENSOR_ROLES: tuple[Role, ...] = ("weights", "golden")
MAX_PREVIEW_SIDE = 2048
MAX_CARD_BYTES = 256 * 1024
SHOWN_LINES = 3  # of those a card lacks; an unrelated text would lack them all
FLAT = 1 / 255  # a picture with a lower standard deviation shows nothing

_TARGET = re.compile(r"\]\(\s*<?([^)>\s]+)")


def check_style_folder(
    folder: Path, catalog: Catalog | None = None, *, root: Path | None = None
) -> Report:
    """Check a style folder in every respect.

    Args:
        folder: the folder with ``style.toml`` and the files it lists.
        catalog: where the net, and the base of an adapter, come from; None for the installed
            plugins.
        root: the folder of styles it was found in, if any.

    Returns:
        Every fault found, with the record field or file it concerns.
    """
    return _StyleCheck(folder, catalog or default_catalog(), root).run()


def find_style_folders(root: Path) -> list[Path]:
    """Find the style folders in a folder, at any depth, sorted; or the folder itself if it is one.

    Raises:
        StyleNotFoundError: there is none.
    """
    if (root / RECORD_FILE).is_file():
        return [root]
    if not root.exists():
        raise StyleNotFoundError(f"{root} does not exist")
    found = []
    for parent, folders, files in os.walk(root):
        if RECORD_FILE in files:
            found.append(Path(parent))
            folders.clear()  # styles do not nest
    if not found:
        raise StyleNotFoundError(
            f"{root} is not a style folder and contains none: there is no {RECORD_FILE} in it"
        )
    return sorted(found)


class _StyleCheck:
    """A single check of one folder: what has been read, and what was found."""

    def __init__(self, folder: Path, catalog: Catalog, root: Path | None) -> None:
        self.folder = folder
        self.root = root
        self.catalog = catalog
        self.report = Report(subject=str(folder))
        self.fields: Mapping[str, Any] = {}
        self.record: Record | None = None
        self._broken: set[str] = set()  # fields of the record with a fault in them
        self._unusable: set[str] = set()  # paths of files with a reported fault
        self._check = ""

    def run(self) -> Report:
        """Run every check whose subject can be read."""
        self._read()
        self._compare_place()
        self._verify_files()
        self._find_stray_files()
        self._judge_tensors()
        net = self._build()
        if net is not None:
            self._compare_size(net)
            if self._load(net):
                self._run(net)
                self._compare_golden(net)
        self._open_pictures()
        self._read_card()
        self._judge_licences()
        self._judge_quality()
        return self.report

    def _start(self, check: str) -> None:
        """Begin a check; later findings belong to it."""
        self._check = check
        self.report.checks.append(check)

    def _error(self, where: str, message: str) -> None:
        self.report.findings.append(Finding(check=self._check, where=where, message=message))

    def _advise(self, where: str, message: str) -> None:
        self.report.findings.append(
            Finding(check=self._check, where=where, message=message, severity="advice")
        )

    def _files(self, *roles: Role) -> Iterator[tuple[str, File, Path]]:
        """The usable listed files: the field, entry and path of each."""
        for index, file in enumerate(self.fields.get("files", ())):
            if file is None or file.path in self._unusable:
                continue
            if not roles or file.role in roles:
                yield f"files[{index}]", file, self.folder / file.path

    # The record

    def _read(self) -> None:
        self._start("record")
        try:
            text = read_record_text(self.folder)
        except RecordError as error:
            self._error(RECORD_FILE, error.reason)
            return
        parts = parse_record_parts(text)
        self.fields = parts.fields
        for fault in parts.faults:
            self._error(fault.field or RECORD_FILE, fault.reason)
            self._broken.add(re.split(r"[.\[]", fault.field)[0])
        if not parts.faults:
            self.record = parse_record(text, origin=RECORD_FILE)

    def _compare_place(self) -> None:
        """Check that ``<name>/<version>`` in a folder of styles match the record."""
        if self.root is None or self.folder == self.root:
            return  # a folder given directly may have any name
        self._start("place")
        place = self.folder.resolve()
        try:
            version = Version(place.name)
        except InvalidVersion:
            self._advise(
                str(self.folder.relative_to(self.root)),
                "a source finds styles only in folders NAME/VERSION; move it to one",
            )
            return
        found = {"name": (place.parent.name, "name"), "version": (str(version), "version")}
        for field, (expected, what) in found.items():
            actual = str(self.fields.get(field, expected))
            if actual != expected:
                self._error(
                    field, f"it is {actual!r}, but the folder is for the {what} {expected!r}"
                )

    # Files

    def _verify_files(self) -> None:
        self._start("files")
        if (self.folder / RECORD_FILE).is_symlink():
            self._error(RECORD_FILE, "it is a symbolic link; put the file itself here")
        root = self.folder.resolve()
        for field, file, path in self._files():
            if path.is_symlink() or not path.resolve().is_relative_to(root):
                self._refuse(f"{field}.path", file, "is a link; put the file itself here")
            elif not path.is_file():
                self._refuse(f"{field}.path", file, "is missing")
            else:
                self._compare_content(field, file, path)

    def _refuse(self, where: str, file: File, reason: str) -> None:
        """Report a fault of a file, which later checks then skip."""
        self._error(where, f"{file.path} {reason}")
        self._unusable.add(file.path)

    def _compare_content(self, field: str, file: File, path: Path) -> None:
        try:
            size, digest = path.stat().st_size, sha256_of(path)
        except OSError as error:
            self._refuse(f"{field}.path", file, f"cannot be read: {error.strerror}")
            return
        if size != file.size:
            self._error(
                f"{field}.size", f"{file.path} has {size} bytes, but the record says {file.size}"
            )
        if digest != file.sha256:
            self._error(
                f"{field}.sha256",
                f"{file.path} has the sha256 {digest}, but the record says {file.sha256}",
            )

    def _find_stray_files(self) -> None:
        self._start("stray-files")
        files = self.fields.get("files", (None,))
        if None in files:
            return  # the list is broken, so strays cannot be told apart
        listed = {file.path for file in files}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            is_folder = path.is_dir() and not path.is_symlink()
            if not is_folder and name not in listed and name != RECORD_FILE:
                advice = (
                    "it was left by a run that was killed while writing; delete it"
                    if is_unfinished(path)
                    else "delete it, or list it in [[files]]"
                )
                self._error(name, f"the record does not list it; {advice}")

    def _judge_tensors(self) -> None:
        self._start("tensors")
        for field, file, path in self._files(*TENSOR_ROLES):
            try:
                header = read_header(path)
            except StyleZooError as error:
                self._error(field, str(error))
                self._unusable.add(file.path)
                continue
            metadata = header.get("__metadata__", {})
            count = len(header) - ("__metadata__" in header)
            for name, found, said in (
                ("dtype", stored_dtype(header), file.dtype),
                ("tensors", count, file.tensors),
            ):
                if said != found:
                    self._error(
                        f"{field}.{name}", f"{file.path} has {found}, but the record says {said}"
                    )
            if file.role == "weights" and METADATA_KEY in metadata:
                self._compare_metadata(field, path)

    def _compare_metadata(self, field: str, path: Path) -> None:
        """Check that a weights file that names its net, and so loads alone, names the same one."""
        described = self.fields.get("net")
        try:
            name, arguments = read_net_metadata(path)
        except StyleZooError as error:
            self._error(field, str(error))
            return
        if described and (name, arguments) != (described.name, dict(described.arguments)):
            self._error(
                field,
                f"{path.name} names the net {name} {arguments}, but the record "
                f"names {described.name} {dict(described.arguments)}",
            )

    # The net

    def _build(self) -> TransformNet | None:
        """Make the net with fresh weights; None if that is impossible."""
        described = self.fields.get("net")
        if described is None:
            return None
        self._start("net")
        try:
            name = self.catalog.net_of(described.name, described.plugin)
            component = self.catalog.find("net", name)
        except ComponentNotFoundError as error:
            self._error("net.name", f"{error}; {self.catalog.advice_to_get(described.plugin)}")
            return None
        except StyleZooError as error:
            self._error("net.name", str(error))
            return None
        if component.distribution != described.plugin:
            self._error(
                "net.plugin",
                f"it is {described.plugin!r}, but the net {described.name!r} comes from "
                f"{component.distribution!r}",
            )
        try:
            return self.catalog.create_net(name, **described.arguments)
        except Exception as error:  # third-party code may raise anything
            self._error("net.arguments", _told(error))
            return None

    def _compare_size(self, net: TransformNet) -> None:
        self._start("size")
        said = self.fields.get("io")
        for name in ("minimum_size", "stride"):
            if said is not None and getattr(said, name) != getattr(net, name):
                self._error(
                    f"io.{name}",
                    f"it is {getattr(said, name)}, but the net has {getattr(net, name)}",
                )
        from stylezoo.interfaces.net import MultiStyleNet

        holds = net.styles if isinstance(net, MultiStyleNet) else 1
        named = len(self.fields.get("styles", ())) or 1
        if holds != named and "styles" not in self._broken:
            self._error("styles", f"the net holds {holds} styles, but the record names {named}")

    def _load(self, net: TransformNet) -> bool:
        """Load the weights into the net; return whether they fit."""
        self._start("weights")
        found = list(self._files("weights"))
        if not found or "base" in self._broken:
            return False
        tensors = self._base(self.fields["base"]) if "base" in self.fields else {}
        if tensors is None:
            return False
        field, file, path = found[0]
        try:
            tensors.update(read_tensors(path))
        except StyleZooError as error:
            self._error(field, str(error))
            return False
        faults = list(weights_faults(net, tensors))
        for fault in faults:
            self._error(field, f"{file.path} {fault}")
        if not faults:
            net.load_state_dict(tensors)
            net.eval().requires_grad_(False)
        return not faults

    def _base(self, base: Base) -> dict[str, Tensor] | None:
        """The tensors of an adapter's base, from beside it or else from any source."""
        beside = {"beside": FolderSource(self.folder.resolve().parent.parent)}
        try:
            sources = {**beside, **all_sources(self.catalog)}
            found = find_base(base, str(self.fields.get("name", "it")), sources)
            file = found.record.file("weights")
            verify_files(found.folder, found.record, [file])
            return read_tensors(found.folder / file.path)
        except IntegrityError as error:
            self._error("base.sha256", str(error))
        except (StyleZooError, OSError) as error:
            self._error("base", f"it cannot be loaded: {error}")
        return None

    def _run(self, net: TransformNet) -> None:
        """Run the net on an odd size, or the nearest it accepts."""
        self._start("runs")
        import torch

        sides = [
            math.ceil(max(side, net.minimum_size) / net.stride) * net.stride for side in (37, 53)
        ]
        images = torch.linspace(0, 1, 3 * math.prod(sides)).view(1, 3, *sides)
        where = f"{sides[1]} × {sides[0]} px"
        try:
            output = golden_run(net)(images)
        except Exception as error:  # third-party code may raise anything
            self._error(where, f"the net fails: {_told(error)}")
            return
        if output.shape != images.shape:
            self._error(
                where,
                f"the net turns {list(images.shape)} into {list(output.shape)}; it must keep the "
                "shape",
            )
        elif not output.isfinite().all():
            self._error(where, "the net gives values that are not finite")
        elif output.min() < 0 or output.max() > 1:
            self._error(
                where,
                f"the net gives values from {float(output.min()):.3g} to "
                f"{float(output.max()):.3g}; in eval mode they must be in [0, 1]",
            )
        elif output.std() < FLAT:
            self._advise(where, "the picture is all one colour; look at the preview")

    def _compare_golden(self, net: TransformNet) -> None:
        self._start("golden")
        test = self.fields.get("test")
        if test is None or test.output not in [file.path for _, file, _ in self._files("golden")]:
            return
        try:
            golden_output_difference(golden_run(net), self.folder, test)
        except Exception as error:  # third-party code may raise anything
            self._error("test", _told(error))

    # Pictures and words

    def _open_pictures(self) -> None:
        self._start("pictures")
        from stylezoo.images import open_photo

        for field, file, path in self._files(*PICTURE_ROLES):
            try:
                photo = open_photo(path)
            except StyleZooError as error:
                self._error(field, f"{file.path} cannot be opened: {error}")
                continue
            if file.role == "preview" and max(photo.size) > MAX_PREVIEW_SIDE:
                self._error(
                    field,
                    f"{file.path} is {photo.size[0]} × {photo.size[1]} px; a preview must "
                    f"have at most {MAX_PREVIEW_SIDE} on its longer side",
                )

    def _read_card(self) -> None:
        self._start("card")
        files = self.fields.get("files")
        if files is None:
            return  # the record cannot be read, which has been reported
        if not any(file and file.role == "card" for file in files):
            self._error(
                "files", f"no file has the role 'card'; write README.md with: {self._writer()}"
            )
        for field, file, path in self._files("card"):
            self._judge_card(field, file, path)

    def _judge_card(self, field: str, file: File, path: Path) -> None:
        try:
            text = path.read_bytes()[:MAX_CARD_BYTES].decode()
        except (OSError, UnicodeDecodeError) as error:
            self._error(field, f"{file.path} cannot be read as UTF-8 text: {error}")
            return
        listed = {other.path for other in self.fields["files"] if other}
        for target in _TARGET.findall(text):
            if not target.startswith(("https://", "http://", "#")) and target not in listed:
                self._error(
                    field,
                    f"{file.path} shows or links to {target!r}, which the record does not list",
                )
        if self.record is not None:
            missing = _missing_lines(text, self.record)
            for line in missing[:SHOWN_LINES]:
                self._error(
                    field, f"{file.path} lacks the line {line!r}, which the record requires"
                )
            if len(missing) > SHOWN_LINES:
                self._error(
                    field,
                    f"{file.path} lacks {len(missing) - SHOWN_LINES} more lines that the record "
                    f"requires; write it again with: {self._writer()}",
                )

    def _writer(self) -> str:
        """The command that writes record and card again; see docs/publishing.md."""
        if self.fields.get("base"):
            return "stylezoo train --resume"
        if self.fields.get("styles"):
            return "stylezoo pack"
        return "stylezoo record make"

    def _judge_licences(self) -> None:
        self._start("licence")
        licence = self.fields.get("licence")
        if licence is None:
            return
        if licence.style_image == UNKNOWN and any(self._files("painting")):
            self._error(
                "licence.style_image",
                "it is unknown, but a picture of the painting is among the files; leave the "
                "picture out, or name the licence under which it may be shared",
            )
        for name in ("weights", "code"):
            if getattr(licence, name) == UNKNOWN:
                self._advise(
                    f"licence.{name}",
                    "it is unknown, so nobody may share the style; name the licence",
                )

    def _judge_quality(self) -> None:
        self._start("quality")
        measured = [self.fields.get("quality")]
        measured += [style.quality for style in self.fields.get("styles", ()) if style is not None]
        if self.fields and not any(measured):
            self._advise(
                "quality", "it has not been measured; run: stylezoo evaluate FOLDER --save"
            )


def _missing_lines(card: str, record: Record) -> list[str]:
    """Required lines a card lacks, hand-made or not: front matter, headings, preview, licences."""
    rendered = render_card(record).splitlines()
    front = rendered[: rendered.index("---", 1) + 1]
    wanted = [line for line in rendered if line.startswith(("# ", "## ", "!["))]
    licences = rendered[rendered.index("## Licences") :]
    lines = card.splitlines()
    missing = [line for line in wanted if line not in lines]
    missing += [line for line in licences if line.startswith("| ") and line not in lines]
    if lines[: len(front)] != front:
        begun = lines[: len(front)]
        missing += [line for line in front if line not in begun] or ["---"]
    return missing


def _told(error: Exception) -> str:
    """The message of our own error, with the type for any other."""
    if isinstance(error, StyleZooError):
        return str(error)
    return f"{type(error).__name__}: {error}"
