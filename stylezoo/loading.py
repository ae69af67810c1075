"""Load a style from a user's spec: find it, verify it, and load its weights into its net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.errors import ComponentNotFoundError, PluginError, RecordError, WeightsError
from stylezoo.registry.lock_file import find_style
from stylezoo.registry.pinned import resolve_base
from stylezoo.registry.record import RECORD_FILE, Net, Record
from stylezoo.registry.record_text import UNKNOWN
from stylezoo.registry.resolve import ResolvedStyle
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.verify import verify_files
from stylezoo.registry.weights import check_header, load_weights, read_net_metadata
from stylezoo.style import Style

if TYPE_CHECKING:
    import torch

    from stylezoo.interfaces.net import TransformNet
    from stylezoo.interfaces.source import RegistrySource


def load(
    spec: str | Path,
    *,
    device: str | torch.device | None = None,
    runtime: str | None = None,
    catalog: Catalog | None = None,
    locked: str | Path | None = None,
) -> Style:
    """Load a style by name, by name and version, or from a folder or weights file.

    A style already on this machine needs no network; any other is fetched and verified.

    Args:
        spec: such as ``"great-wave"``, ``"great-wave@1"``, ``"great-wave@>=1,<2"``,
            ``"./my-style"``, ``"model.safetensors"``, or ``"museum:monet"`` for one of a pack.
        device: such as ``"cpu"`` or ``"cuda"``; None for the best available.
        runtime: a registered runtime; None for ``"torch-bf16"`` on CPUs with AMX, else
            ``"torch"``.
        catalog: where styles and nets come from; None for the installed plugins.
        locked: a lock file as written by ``stylezoo lock``; nothing but what it pins is loaded.

    Raises:
        InvalidSpecError: the spec cannot be read.
        LockFileError: the lock file cannot be read, lacks the style, or pins another.
        OfflineError, UnavailableError: the style must be fetched, but cannot be.
        RegistryError: a registry that is needed cannot be trusted.
        StyleNotFoundError, VersionNotFoundError: there is no such style or version.
        RecordError: the record breaks the format.
        IntegrityError: the weights do not match the record, or the base of an adapter is not
            the one it was made on.
        WeightsError: the weights are broken or do not fit.
        PluginError: no installed plugin provides the net or the runtime.
        OptionError: the device is not available.
    """
    from stylezoo.device import choose_runtime
    from stylezoo.torch_modes import plain_modes

    device = None if device is None else str(device)
    catalog = catalog or default_catalog()
    parsed = StyleSpec.parse(spec)
    if locked is None and parsed.path is not None and parsed.path.is_file():
        name, arguments = read_net_metadata(parsed.path)
        described = Net(name=name, arguments=arguments, plugin=UNKNOWN)
        record, weights, base = None, parsed.path, None
    else:
        sources = all_sources(catalog)
        found = find_style(parsed, sources, locked)
        record, described = found.record, found.record.net
        weights = _verified_weights(found)
        base = _base_weights(record, sources)
    net = build_net(described, record, weights, base, style=parsed.text, catalog=catalog)
    chosen = catalog.create_runtime(runtime or choose_runtime(device))
    prepare = partial(chosen.prepare, device=device)
    with plain_modes():
        return Style(net=net, record=record, prepare=prepare, shares=parsed.shares)


def build_net(
    described: Net,
    record: Record | None,
    weights: Path,
    base: Path | None,
    *,
    style: str,
    catalog: Catalog,
) -> TransformNet:
    """Make a net and load verified weights into it.

    Args:
        described: the net.
        record: record of the style; None for a weights file alone.
        weights: the weights file.
        base: the weights of the style that an adapter builds on; None for a complete style.
        style: what the user calls it, for messages.
        catalog: where the net comes from.

    Returns:
        The net in eval mode.

    Raises:
        PluginError: no installed plugin provides it.
        RecordError: the net holds a different number of styles than the record names.
        WeightsError: the weights are broken or do not fit.
    """
    from stylezoo.seeding import seeded
    from stylezoo.torch_modes import plain_modes

    described = replace(described, name=catalog.net_of(described.name, described.plugin))
    _require_net(described, style, catalog)
    with plain_modes():
        with _naming_the_place(record, weights):
            with seeded():  # random initial values are replaced by the weights
                _check_fit(described, catalog, weights, base)
                net = catalog.create_net(described.name, **described.arguments)
            load_weights(net, weights, base)
        net = net.eval().requires_grad_(False)
    if record is not None:
        _check_styles(net, record)
    return net


def _verified_weights(found: ResolvedStyle) -> Path:
    file = found.record.file("weights")
    verify_files(found.folder, found.record, [file])
    return found.folder / file.path


def _base_weights(record: Record, sources: Mapping[str, RegistrySource]) -> Path | None:
    base = resolve_base(record, sources)
    return None if base is None else _verified_weights(base)


def _check_fit(described: Net, catalog: Catalog, weights: Path, base: Path | None) -> None:
    """Compare the net with the header of the weights before either takes any memory.

    The net is built on torch's meta device for this. One that computes while being built may fail
    there; it is compared when the weights are loaded.
    """
    import torch

    try:
        with torch.device("meta"):
            net = catalog.create_net(described.name, **described.arguments)
    except Exception:  # third-party code may raise anything; a real fault will recur
        return
    check_header(net, weights, base)


@contextmanager
def _naming_the_place(record: Record | None, weights: Path) -> Iterator[None]:
    """If the weights do not fit, name their field of the record, or the style folder to load."""
    try:
        yield
    except WeightsError as error:
        if record is None:
            if not (weights.parent / RECORD_FILE).is_file():
                raise
            # An adapter's file, for one, holds its norms alone.
            raise WeightsError(f"{error}; to load the whole style: {weights.parent}") from error
        field = f"files[{record.files.index(record.file('weights'))}]"
        raise WeightsError(f"{field}: {error}") from error


def _check_styles(net: TransformNet, record: Record) -> None:
    from stylezoo.interfaces.net import MultiStyleNet

    holds = net.styles if isinstance(net, MultiStyleNet) else 1
    named = len(record.styles) or 1
    if holds != named:
        raise RecordError(
            f"the net holds {holds} styles, but the record names {named}",
            field="styles",
            origin=record.name,
        )


def _require_net(described: Net, style: str, catalog: Catalog) -> None:
    try:
        catalog.find("net", described.name)
    except ComponentNotFoundError as error:
        known = described.plugin != UNKNOWN
        advice = (
            catalog.advice_to_get(described.plugin)
            if known
            else "install the plugin that provides it"
        )
        raise PluginError(
            f"net.name: {style} needs the net {described.name!r}, "
            f"which no installed plugin provides; {advice}"
        ) from error
