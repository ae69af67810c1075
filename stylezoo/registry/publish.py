"""Writing a style folder: record, weights, golden test, preview and model card, all or nothing."""

from __future__ import annotations

import copy
import dataclasses
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stylezoo.files import new_folder, write_file, writing
from stylezoo.objective_config import ObjectiveConfig, Scalar
from stylezoo.registry.card import render_card, renew_quality
from stylezoo.registry.golden import OUTPUT, golden_input, golden_run
from stylezoo.registry.record import (
    IO,
    RECORD_FILE,
    SCHEMA,
    Base,
    File,
    GoldenTest,
    Licence,
    Net,
    PackStyle,
    Preview,
    Provenance,
    Quality,
    Record,
    Role,
    Status,
    StyleImage,
    Training,
)
from stylezoo.registry.record_io import parse_record, read_record, render_record
from stylezoo.registry.verify import sha256_of
from stylezoo.registry.weights import (
    read_header,
    read_tensors,
    save_tensors,
    save_weights,
    stored_dtype,
)

if TYPE_CHECKING:
    from PIL import Image

    from stylezoo.interfaces.net import TransformNet

StoredDtype = Literal["float16", "float32"]

WEIGHTS = "model.safetensors"
GOLDEN = "golden.safetensors"
PREVIEW = "preview.jpg"
PAINTING = "painting.jpg"
CARD = "README.md"

GOLDEN_SIDE = 64  # pixels, or more where the net needs more
# Processors sum float32 convolutions in different orders; two machines with different instruction
# sets differed by less than a thousandth. A wrong weight is far beyond this.
GOLDEN_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class StyleDraft:
    """What is known about a style before its files are written; see ``Record`` for the fields."""

    name: str
    version: str
    status: Status
    summary: str
    tags: tuple[str, ...]
    net_name: str
    net_plugin: str
    net_arguments: Mapping[str, Scalar]
    style: StyleImage | None = None
    styles: tuple[PackStyle, ...] = ()
    base: Base | None = None
    training: Training
    provenance: Provenance
    licence: Licence
    preview: str
    objective: ObjectiveConfig | None = None
    quality: Quality | None = None


def write_style(
    folder: Path,
    *,
    net: TransformNet,
    draft: StyleDraft,
    preview: Image.Image,
    paintings: Mapping[str, Image.Image | Path] | None = None,
    shared: Collection[str] = (),
    dtype: StoredDtype = "float16",
) -> Record:
    """Write a complete style folder.

    The golden output is made with the weights as stored.

    Args:
        folder: to create; it appears complete or not at all.
        net: with its weights, on the CPU.
        draft: what is known about the style.
        preview: a small picture of the style at work.
        paintings: by path, as the net was trained on them, so that the style can be evaluated
            later; files are copied unchanged. None to omit them, as their licence may require.
        shared: names of the tensors that an adapter takes from its base.
        dtype: to store the weights in. Half precision is enough for the nets trained here.

    Returns:
        The record written.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
        RecordError: the draft breaks the format.
        WeightsError: the weights are not finite.
    """
    with new_folder(folder) as unfinished:
        return _fill(unfinished, net, draft, preview, paintings or {}, shared, dtype)


def check_draft(net: TransformNet, draft: StyleDraft, paintings: Collection[str] = ()) -> Record:
    """Check before an hour of training that a draft will give a valid record.

    Args:
        net: as for ``write_style``, in any state.
        draft: what is known about the style.
        paintings: their paths.

    Returns:
        The record, with placeholder sizes and hashes for files that do not exist yet.

    Raises:
        RecordError: the draft breaks the format.
    """
    roles: dict[str, Role] = {WEIGHTS: "weights", GOLDEN: "golden", PREVIEW: "preview"}
    roles |= dict.fromkeys(paintings, "painting")
    files = []
    for path, role in roles.items():
        dtype: StoredDtype | None = "float16" if path.endswith(".safetensors") else None
        tensors = 1 if dtype else None
        files.append(
            File(path=path, role=role, size=1, sha256="0" * 64, dtype=dtype, tensors=tensors)
        )
    return parse_record(render_record(_record(net, draft, tuple(files))), origin=draft.name)


def record_quality(folder: Path, quality: Quality, style: str | None = None) -> Record:
    """Write a measured quality into the record and the model card of a style folder.

    Only the quality section of the card changes.

    Args:
        folder: of the style.
        quality: the measured quality.
        style: the style of a pack that was measured.

    Returns:
        The new record.

    Raises:
        RecordError: the record is missing or breaks the format.
        OutputError: the folder cannot be written.
    """
    record = read_record(folder)
    if style is None:
        record = dataclasses.replace(record, quality=quality)
    else:
        styles = tuple(
            dataclasses.replace(one, quality=quality) if one.name == style else one
            for one in record.styles
        )
        record = dataclasses.replace(record, styles=styles)
    path = card_path(record)
    write_file(folder / path, _card_with_quality(folder / path, record), overwrite=True)
    files = [file for file in record.files if file.path != path]
    record = dataclasses.replace(record, files=(*files, _describe(folder, path, "card")))
    write_file(folder / RECORD_FILE, render_record(record).encode(), overwrite=True)
    return record


def card_path(record: Record) -> str:
    """The path of a style's model card in its folder, whether or not it has one yet."""
    listed = [file.path for file in record.files if file.role == "card"]
    return listed[0] if listed else CARD


def _card_with_quality(path: Path, record: Record) -> bytes:
    if not path.is_file():
        return render_card(record).encode()
    with writing(path):
        card = path.read_bytes()
    # Anything that is not UTF-8 stays as it is, for the check to report.
    text = renew_quality(card.decode(errors="surrogateescape"), record)
    return text.encode(errors="surrogateescape")


def _fill(
    folder: Path,
    net: TransformNet,
    draft: StyleDraft,
    preview: Image.Image,
    paintings: Mapping[str, Image.Image | Path],
    shared: Collection[str],
    dtype: StoredDtype,
) -> Record:
    import torch

    save_weights(
        folder / WEIGHTS,
        {name: tensor for name, tensor in net.state_dict().items() if name not in shared},
        dtype=getattr(torch, dtype),
        net_name=draft.net_name,
        net_arguments=draft.net_arguments,
    )
    stored = copy.deepcopy(net).eval()
    stored.load_state_dict({**net.state_dict(), **read_tensors(folder / WEIGHTS)})
    side = _golden_side(net)
    output = golden_run(stored)(golden_input("waves", side, side))
    save_tensors(folder / GOLDEN, {OUTPUT: output}, {})
    preview.convert("RGB").save(folder / PREVIEW, quality=88)

    described = [
        _describe(folder, WEIGHTS, "weights"),
        _describe(folder, GOLDEN, "golden"),
        _describe(folder, PREVIEW, "preview"),
    ]
    for path, painting in paintings.items():
        (folder / path).parent.mkdir(exist_ok=True)
        if isinstance(painting, Path):
            shutil.copyfile(painting, folder / path)
        else:
            painting.convert("RGB").save(folder / path, quality=92, subsampling=0)
        described.append(_describe(folder, path, "painting"))
    draft_record = _record(net, draft, tuple(described))
    (folder / CARD).write_bytes(render_card(draft_record).encode())
    record = _record(net, draft, (*described, _describe(folder, CARD, "card")))
    text = render_record(record)
    (folder / RECORD_FILE).write_bytes(text.encode())
    return parse_record(text, origin=draft.name)  # the folder is a temporary one


def _golden_side(net: TransformNet) -> int:
    """The side of the golden input: a size that the net accepts."""
    return -(-max(GOLDEN_SIDE, net.minimum_size) // net.stride) * net.stride


def _describe(folder: Path, name: str, role: Role) -> File:
    path = folder / name
    dtype = tensors = None
    if path.suffix == ".safetensors":
        header = read_header(path)
        tensors = len(header) - ("__metadata__" in header)
        dtype = stored_dtype(header)
    return File(
        path=name,
        role=role,
        size=path.stat().st_size,
        sha256=sha256_of(path),
        dtype=dtype,
        tensors=tensors,
    )


def _record(net: TransformNet, draft: StyleDraft, files: tuple[File, ...]) -> Record:
    from packaging.version import Version

    return Record(
        schema=SCHEMA,
        name=draft.name,
        version=Version(draft.version),
        status=draft.status,
        summary=draft.summary,
        tags=draft.tags,
        net=Net(name=draft.net_name, arguments=draft.net_arguments, plugin=draft.net_plugin),
        io=IO(minimum_size=net.minimum_size, stride=net.stride, tiling=False),
        style=draft.style,
        styles=draft.styles,
        base=draft.base,
        training=draft.training,
        provenance=draft.provenance,
        licence=draft.licence,
        test=GoldenTest(
            input="waves",
            height=_golden_side(net),
            width=_golden_side(net),
            output=GOLDEN,
            tolerance=GOLDEN_TOLERANCE,
        ),
        preview=Preview(path=PREVIEW, caption=draft.preview),
        objective=draft.objective,
        quality=draft.quality,
        files=files,
    )
