"""``stylezoo record make``: record what can be computed about a style, and ask for the rest."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stylezoo.cli.evaluate import Sizes, painting_to_measure_by
from stylezoo.cli.facts import complete, fact_options, with_told
from stylezoo.cli.output import print_line
from stylezoo.errors import OptionError, StyleNotFoundError, WeightsError
from stylezoo.files import check_new_folder

if TYPE_CHECKING:
    from stylezoo.authoring import Facts
    from stylezoo.images import Photo
    from stylezoo.objective_config import ObjectiveConfig, Scalar
    from stylezoo.registry.publish import StoredDtype
    from stylezoo.registry.record import Quality

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
PATH = click.Path(path_type=Path)
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@click.group("record", short_help="Make the record of a style.")
def command() -> None:
    """Make the record of a style, style.toml, and all that belongs to it."""


@command.command("make", short_help="Make a complete style folder from weights.")
@click.argument("start", metavar="FOLDER|WEIGHTS", type=PATH)
@click.option("-o", "--output", type=FOLDER, required=True, help="Style folder to make.")
@click.option("--net", help="The transform net  [default: what the weights or style.toml name]")
@click.option(
    "--net-arguments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Argument of the net; may be repeated.",
)
@click.option("--photo", type=FILE, help="Photo for the preview  [default: a pattern]")
@click.option("--painting", type=FILE, help="The painting, as the net was trained on it.")
@click.option("--photos", type=FOLDER, help="Photos to measure quality on, not used in training.")
@click.option(
    "--sizes",
    type=Sizes(),
    default="256,512",
    show_default=True,
    help="Longest sides to measure at, pixels.",
)
@fact_options
def make(
    start: Path,
    output: Path,
    net: str | None,
    net_arguments: tuple[str, ...],
    photo: Path | None,
    painting: Path | None,
    photos: Path | None,
    sizes: tuple[int, ...],
    **told: Any,
) -> None:
    """Make a complete style folder of weights in safetensors.

    Sizes, hashes, dtypes, the golden test, the preview and, with --photos, the quality are filled
    in. What only a person knows is taken from the options, else from style.toml in FOLDER; what is
    missing is asked for on a terminal, and listed at once elsewhere. What style.toml says is
    unknown is asked for on a terminal, and stays so elsewhere.
    """
    from stylezoo.authoring import make_style
    from stylezoo.catalog import default_catalog
    from stylezoo.images import open_photo
    from stylezoo.registry.weights import load_weights

    check_new_folder(output)
    material = _material(start)
    facts = with_told(material.facts, told)
    catalog = default_catalog()
    named = net or (material.net and catalog.net_of(material.net, material.plugin))
    besides = [] if named else ["--net  The transform net that the weights belong to."]
    unknown = [name for name in material.unknown if told[name] is None]
    facts = complete(facts, besides=besides, unknown=unknown)
    assert named is not None
    component = catalog.find("net", named)
    told_arguments = catalog.with_variant("net", named, _pairs(net_arguments))
    recorded = material.arguments if component.name == material.net else {}
    arguments = {**recorded, **told_arguments}
    same_net = (component.name, arguments) == (material.net, material.arguments)
    made = catalog.create_net(component.full_name, **arguments)
    load_weights(made, material.weights)
    original = painting or material.painting
    if photos is not None and (material.objective is None or original is None):
        raise OptionError(
            "measuring quality needs the painting, and the objective that the net was trained "
            "for; add a table [objective] to style.toml in FOLDER and give --painting, or leave "
            "out --photos"
        )
    if photos is not None:
        _check_photos(photos, sizes)
    record = make_style(
        output,
        net=made.eval().requires_grad_(False),
        net_name=component.full_name,
        net_arguments=arguments,
        facts=facts,
        catalog=catalog,
        dtype=material.dtype,
        photo=open_photo(photo) if photo is not None else None,
        photo_name=photo.name if photo is not None else "",
        painting=_as_trained(painting, facts.style_size) if painting else _readable(original),
        objective=material.objective,
        quality=_renamed(material, facts) if same_net else None,
    )
    if photos is not None and original is not None:
        _measure(output, photos, original, sizes)
    print_line(f"{output}: {record.name} {record.version}; now run: stylezoo check {output}")


@dataclass(frozen=True, kw_only=True)
class _Material:
    """What exists already.

    Attributes:
        weights: a safetensors file.
        dtype: dtype to store the weights in again.
        facts: the facts in a style.toml.
        unknown: names of the facts recorded there as unknown.
        net: its name, if known.
        plugin: the distribution that provides the net, if known.
        arguments: of the net.
        objective: of the training, if known.
        quality: measured on these very weights, if it was.
        painting: its file, if there is one.
    """

    weights: Path
    dtype: StoredDtype
    facts: Facts
    unknown: tuple[str, ...] = ()
    net: str | None = None
    plugin: str = ""
    arguments: dict[str, Scalar] = field(default_factory=dict)
    objective: ObjectiveConfig | None = None
    quality: Quality | None = None
    painting: Path | None = None


def _material(start: Path) -> _Material:
    from stylezoo.authoring import NEEDED, Facts, facts_of_record
    from stylezoo.registry.record import RECORD_FILE
    from stylezoo.registry.record_io import parse_record_parts, read_record_text
    from stylezoo.registry.record_text import UNKNOWN
    from stylezoo.registry.weights import read_header, stored_dtype

    if not start.exists():
        raise StyleNotFoundError(f"{start} does not exist")
    fields: Any = {}
    facts = Facts()
    if (start / RECORD_FILE).is_file():
        parts = parse_record_parts(read_record_text(start))
        fields, facts = parts.fields, facts_of_record(parts)
    if "base" in fields or fields.get("styles"):
        raise OptionError(
            f"{start} is a pack or an adapter, but 'record make' only makes records of single "
            "styles; for a new version, make a pack again with 'stylezoo pack', or an adapter with "
            "'stylezoo train', and give --version (see docs/publishing.md)"
        )
    weights = _weights_in(start) if start.is_dir() else start
    dtype: StoredDtype = "float16" if stored_dtype(read_header(weights)) == "float16" else "float32"
    net, arguments = _net_of(weights)
    if "net" in fields:
        net, arguments = fields["net"].name, dict(fields["net"].arguments)
    return _Material(
        weights=weights,
        dtype=dtype,
        facts=facts,
        unknown=tuple(name for name in NEEDED if getattr(facts, name) == UNKNOWN),
        net=net,
        plugin=fields["net"].plugin if "net" in fields else "",
        arguments=arguments,
        objective=fields.get("objective"),
        quality=fields.get("quality") if _is_recorded(weights, fields) else None,
        painting=_painting_in(start, fields) if start.is_dir() else None,
    )


def _is_recorded(weights: Path, fields: Mapping[str, Any]) -> bool:
    from stylezoo.registry.verify import sha256_of

    recorded = [file.sha256 for file in fields.get("files", ()) if file.role == "weights"]
    return sha256_of(weights) in recorded


def _net_of(weights: Path) -> tuple[str | None, dict[str, Scalar]]:
    """The net named in the file itself, as in stylezoo's own files."""
    from stylezoo.registry.weights import read_net_metadata

    try:
        return read_net_metadata(weights)
    except WeightsError:
        return None, {}


def _weights_in(folder: Path) -> Path:
    from stylezoo.registry.publish import GOLDEN

    found = sorted(path for path in folder.glob("*.safetensors") if path.name != GOLDEN)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise OptionError(
            f"{folder} must contain one weights file, *.safetensors, but contains {names}; name "
            "the file itself. For other formats, see: stylezoo import --help"
        )
    return found[0]


def _painting_in(folder: Path, fields: Mapping[str, Any]) -> Path | None:
    """The painting that the record lists, or, without a list of files, one that looks like it."""
    if "files" in fields:
        listed = [file.path for file in fields["files"] if file and file.role == "painting"]
        return folder / listed[0] if listed else None
    found = [path for path in sorted(folder.glob("painting.*")) if path.suffix.lower() in PICTURES]
    return found[0] if found else None


def _pairs(texts: tuple[str, ...]) -> dict[str, Scalar]:
    """Parse pairs like ``width=16``: numbers and booleans as in JSON, anything else as text."""
    pairs: dict[str, Scalar] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            raise click.UsageError(
                f"--net-arguments {text!r} is not KEY=VALUE; write it like width=16."
            )
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        pairs[name] = read if isinstance(read, bool | int | float | str) else value
    return pairs


def _readable(painting: Path | None) -> Path | None:
    """Check that the painting can be read, and return it.

    Raises:
        ImageError: it cannot be read.
    """
    from stylezoo.images import open_photo

    if painting is not None:
        open_photo(painting)
    return painting


def _as_trained(painting: Path, style_size: int | None) -> Photo | Path:
    """The painting at its size in training, as 'evaluate' reads one that is given.

    Returns:
        The file itself if it has that size, in a format that every program can show.

    Raises:
        ImageError: it cannot be read, or is too small.
    """
    from stylezoo.images import open_photo
    from stylezoo.train.trainer import painting_of

    given = open_photo(painting)
    trained = given if style_size is None else painting_of(painting, style_size)
    is_kept = trained.size == given.size and painting.suffix.lower() in PICTURES
    return painting if is_kept else trained


def _check_photos(photos: Path, sizes: tuple[int, ...]) -> None:
    """Read every photo to measure on, so that a broken one shows before the folder is made."""
    from stylezoo.evaluation import EvaluationConfig
    from stylezoo.evaluation.evaluate import check_photos

    check_photos(photos, EvaluationConfig(sizes=sizes).sizes)


def _renamed(material: _Material, facts: Facts) -> Quality | None:
    """The quality measured on the weights, with a command that measures the new style."""
    from stylezoo.registry.record_text import UNKNOWN

    if material.quality is None:
        return None
    try:
        words = shlex.split(material.quality.command)
    except ValueError:  # written by hand
        return material.quality
    old, new = (f"{known.name}@{known.version}" for known in (material.facts, facts))
    if old not in words:
        return material.quality
    words = [new if word == old else word for word in words]
    if material.painting and facts.image_licence == UNKNOWN and "--painting" not in words:
        words += ["--painting", material.painting.name]  # no longer in the folder
    return dataclasses.replace(material.quality, command=shlex.join(words))


def _measure(folder: Path, photos: Path, painting: Path, sizes: tuple[int, ...]) -> None:
    """Measure the style just made, and add its quality to the record and the card."""
    from stylezoo.evaluation import EvaluationConfig, evaluate_style
    from stylezoo.evaluation.evaluate import measuring_command
    from stylezoo.loading import load
    from stylezoo.registry.publish import record_quality

    style = load(folder)
    assert style.record is not None
    given = None if style.record.paintings else painting
    config = EvaluationConfig(sizes=sizes)
    measured = evaluate_style(
        style,
        photos,
        painting_to_measure_by(folder, style, given),
        config,
        command=measuring_command(style, photos, config, given),
        on_progress=lambda text: click.echo(text, err=True),
    )
    record_quality(folder, measured.quality)
