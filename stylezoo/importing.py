"""Import checkpoints of other programs: find an importer, convert, and load into a net."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.components import Component
from stylezoo.errors import OptionError, PluginError, StyleZooError, WeightsError
from stylezoo.registry.weights import weights_faults

if TYPE_CHECKING:
    from stylezoo.interfaces.importer import ImportedNet, Importer
    from stylezoo.interfaces.net import TransformNet

PICKLE = b"\x80"
PICKLE_SUFFIXES = frozenset((".pkl", ".pickle", ".pt", ".pth"))
_GLOBAL = re.compile(r"GLOBAL (\S+)")  # how torch's message names a global that it rejects


@dataclass(frozen=True, kw_only=True)
class ImportedCheckpoint:
    """A foreign checkpoint as a net with its weights.

    Attributes:
        net: in eval mode, on the CPU.
        described: its registered name and arguments, and the original format.
        importer: the importer that converted it.
    """

    net: TransformNet
    described: ImportedNet
    importer: Component


def import_checkpoint(
    path: Path, *, importer: str | None = None, catalog: Catalog | None = None
) -> ImportedCheckpoint:
    """Convert a checkpoint from another program.

    Nothing in it is executed: a pickle that holds more than tensors and plain values is rejected
    before any importer sees it.

    Args:
        path: path of the checkpoint.
        importer: a registered importer; None for the one that recognises the file.
        catalog: where importers and nets come from; None for the installed plugins.

    Raises:
        WeightsError: no importer recognises it, or it is broken, rejected or does not fit the net.
        OptionError: several importers recognise it.
        PluginError: an importer fails, or the net is not installed.
    """
    catalog = catalog or default_catalog()
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; name the checkpoint itself")
    _refuse_unsafe_pickle(path)
    component, chosen = _choose(path, importer, catalog)
    try:
        described = chosen.convert(path)
    except StyleZooError:
        raise
    except Exception as error:  # third-party code may raise anything
        raise PluginError(
            f"the importer {component.full_name!r} fails on {path}: {type(error).__name__}: "
            f"{error}; report it to the authors of {component.distribution}"
        ) from error
    net = catalog.create_net(described.net, **described.arguments)
    for fault in weights_faults(net, described.tensors):
        raise WeightsError(f"{path} does not fit the net {described.net!r}: it {fault}")
    net.load_state_dict(described.tensors)
    return ImportedCheckpoint(net=net.eval(), described=described, importer=component)


def _choose(path: Path, name: str | None, catalog: Catalog) -> tuple[Component, Importer]:
    if name is not None:
        return catalog.find("importer", name), catalog.get("importer", name)()
    made = [(catalog.find("importer", key), one) for key, one in catalog.importers().items()]
    found = [(component, one) for component, one in made if _recognises(one, component, path)]
    if len(found) > 1:
        names = " or ".join(component.full_name for component, _ in found)
        raise OptionError(f"several importers recognise {path}; choose one: --importer {names}")
    if not found:
        formats = "; ".join(f"{component.name} ({component.summary})" for component, _ in made)
        raise WeightsError(f"no importer recognises {path}; installed: {formats or 'none'}")
    return found[0]


def _recognises(importer: Importer, component: Component, path: Path) -> bool:
    try:
        return importer.recognises(path)
    except Exception as error:  # third-party code may raise anything
        raise PluginError(
            f"the importer {component.full_name!r} fails on {path}: {type(error).__name__}: "
            f"{error}; choose another with --importer"
        ) from error


def _refuse_unsafe_pickle(path: Path) -> None:
    """Reject a pickle that torch cannot read as tensors and plain values alone.

    Raises:
        WeightsError: reading it normally would run code it contains, or it is broken.
    """
    if not _is_pickle(path):
        return
    import torch

    try:
        with warnings.catch_warnings(action="ignore"):
            torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = _GLOBAL.search(str(error))
        what = f"it names {named[1]}" if named else "torch's safe loader rejects it"
        raise WeightsError(
            f"{path} is a pickle that holds more than tensors ({what}); such a file can run any "
            "code and is never loaded. If you trust it, load it yourself and save only its state "
            "dict: "
            "torch.save(model.state_dict(), FILE)"
        ) from error
    except Exception as error:  # hostile bytes may raise anything
        raise WeightsError(
            f"{path} is a broken checkpoint ({type(error).__name__}: {error}); fetch it again"
        ) from error


def _is_pickle(path: Path) -> bool:
    """Whether a file begins like a pickle, or is a zip archive that holds one."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(".pkl") for name in archive.namelist())
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{path} is truncated or broken ({error}); fetch it again") from error
    # Pickles of protocols 0 and 1 may begin with any letter; go by the suffix.
    return start.startswith(PICKLE) or path.suffix.lower() in PICKLE_SUFFIXES
