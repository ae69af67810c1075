"""Checks for the other kinds of component: runtimes, importers, callbacks, and the like.

``check_plugin`` runs them; they are too small to need functions of their own.
"""

from __future__ import annotations

import inspect
import pickle
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylezoo.catalog import Catalog
from stylezoo.components import Kind
from stylezoo.errors import MissingDependencyError, OptionError, WeightsError
from stylezoo.findings import Report
from stylezoo.interfaces.callback import TrainingCallback
from stylezoo.interfaces.importer import Importer
from stylezoo.testing.examination import Check, Findings, describe_error, examine
from stylezoo.testing.subject import Subject, make_or_report, subject_of

if TYPE_CHECKING:
    from torch import Tensor


def check_other(kind: Kind, name: str, catalog: Catalog, skip: Collection[str]) -> Report:
    """Check a component whose kind has no function of its own.

    Args:
        kind: of the component.
        name: its registered name.
        catalog: where it is looked up.
        skip: the names of checks to leave out.
    """
    report = Report(subject=f"{kind} {name!r}")
    checks = CHECKS[kind]
    if kind in _OBJECTS:
        examine(report, catalog.get(kind, name), checks, skip)
    else:
        examine(report, subject_of(kind, name, None, catalog), checks, skip)
    return report


def check_registry(registry: Any, findings: Findings) -> None:
    """It is a RegistryConfig."""
    from stylezoo.registry.config import RegistryConfig

    if not isinstance(registry, RegistryConfig):
        findings.error(
            f"the target is {registry!r}; register a stylezoo.RegistryConfig, the object itself"
        )


def check_command(command: Any, findings: Findings) -> None:
    """It is a click.Command with a help text."""
    import click
    from click.testing import CliRunner

    if not isinstance(command, click.Command):
        findings.error(
            f"the target is {command!r}; register a click.Command, that is, a function under "
            f"@click.command()"
        )
        return
    done = CliRunner().invoke(command, ["--help"])
    if done.exit_code:
        findings.error(f"--help exits with {done.exit_code}: {done.exception!r}")
    if not command.help:
        findings.advise("it has no help text; say what it does in its docstring")


def check_callback(subject: Subject, findings: Findings) -> None:
    """It is made without arguments, and its methods are those that a training calls."""
    callback = make_or_report(subject, findings, TrainingCallback)
    if callback is None:
        return
    promised = [name for name in vars(TrainingCallback) if name.startswith("on_")]
    for name in dir(callback):
        if name.startswith("on_") and name not in promised:
            findings.error(f"{name} is never called; training calls only {', '.join(promised)}")
    for name in promised:
        wanted = inspect.signature(getattr(TrainingCallback, name)).parameters
        arguments = list(wanted)[1:]
        try:
            inspect.signature(getattr(callback, name)).bind(*arguments)
        except TypeError as error:
            findings.error(
                f"{name} must take ({', '.join(arguments)}), but yours does not: {error}"
            )


def check_runtime(subject: Subject, findings: Findings) -> None:
    """It runs a net as PyTorch does, leaves it unchanged, and refuses unknown devices."""
    import torch

    from stylezoo.interfaces.runtime import Runtime
    from stylezoo.testing.sample_net import sample_net
    from stylezoo.testing.tensors import difference, random_images, shape_text

    runtime = make_or_report(subject, findings, Runtime)
    if runtime is None:
        return
    net, untouched = sample_net(), sample_net()
    run = runtime.prepare(net, None)
    for shape in ((1, 16, 16), (2, 20, 32), (1, 64, 24)):
        images = random_images(*shape)
        with findings.at(f"input {shape_text(images)}"):
            output = run(images)
            with torch.no_grad():
                gap = difference(output, untouched(images), runtime.tolerance)
            if gap:
                findings.error(
                    f"compared with PyTorch in float32, it gives {gap}; its tolerance is "
                    f"{runtime.tolerance:g}"
                )
            elif output.dtype != torch.float32 or output.device.type != "cpu":
                findings.error(
                    f"it returns {output.dtype} on {output.device}; it must be float32 on the CPU"
                )
    if not _same_tensors(net.state_dict(), untouched.state_dict()):
        findings.error(
            "it changes the net that it was given, whose parameters other nets may share; prepare "
            "a copy, copy.deepcopy(net)"
        )
    with findings.at("device 'no-such-device'"):
        try:
            runtime.prepare(net, "no-such-device")
        except OptionError:
            return
        except Exception as error:  # third-party code may raise anything
            findings.error(f"it raises {describe_error(error)}; raise stylezoo.errors.OptionError")
            return
        findings.advise(
            "it is ignored; raise stylezoo.errors.OptionError for a device that does not exist"
        )


def _same_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Whether two state dicts have the same values, of the same dtypes on the same devices."""
    import torch

    return found.keys() == expected.keys() and all(
        (found[key].dtype, found[key].device) == (tensor.dtype, tensor.device)
        and torch.equal(found[key], tensor)
        for key, tensor in expected.items()
    )


class _Trap:
    """Unpickling it makes a folder, which shows that a pickle was executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, int, bool]]:
        import os

        return os.makedirs, (str(self.path), 0o777, True)  # exist_ok: it may be unpickled twice


def check_importer(subject: Subject, findings: Findings) -> None:
    """It inspects any file without raising, and executes none."""
    importer = make_or_report(subject, findings, Importer)
    if importer is None:
        return
    import numpy as np
    import torch

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sprung = folder / "sprung"
        for file, content in {
            "empty.bin": b"",
            "text.pth": b"no checkpoint\n",
            "cut-off.npz": b"PK\x03\x04\x14\x00",
            "noise.onnx": bytes(range(256)) * 8,
            "pickle.pth": pickle.dumps({"state_dict": _Trap(sprung)}, protocol=2),
        }.items():
            (folder / file).write_bytes(content)
        torch.save({"state_dict": _Trap(sprung)}, folder / "archive.pth")
        objects = np.array([_Trap(sprung)], dtype=object)
        np.save(folder / "objects.npy", objects)
        np.savez(folder / "objects.npz", objects=objects)
        for path in sorted(folder.iterdir()):
            with findings.at(f"a file {path.name} of {path.stat().st_size} bytes"):
                _offer(importer, path, sprung, findings)


def _offer(importer: Importer, path: Path, sprung: Path, findings: Findings) -> None:
    try:
        recognised = importer.recognises(path)
        if not isinstance(recognised, bool):
            findings.error(f"recognises returns {recognised!r}; it must be True or False")
        if recognised:
            _convert(importer, path, findings)
        else:
            with suppress(Exception):  # it may fail on this file, but not execute it
                importer.convert(path)
    finally:
        if sprung.exists():
            sprung.rmdir()
            findings.error(
                "it executes what is pickled in the file, which could be anything; load pickles "
                "only with torch.load(path, weights_only=True), and arrays only with np.load(path, "
                "allow_pickle=False)"
            )


def _convert(importer: Importer, path: Path, findings: Findings) -> None:
    try:
        importer.convert(path)
    except (WeightsError, MissingDependencyError):
        return
    findings.error(
        "it converts a file that is not a checkpoint; raise stylezoo.errors.WeightsError"
    )


_OBJECTS: frozenset[Kind] = frozenset({"registry", "command"})
"""Kinds whose target is the component itself, not its factory."""

CHECKS: Mapping[Kind, tuple[Check[Any], ...]] = {
    "runtime": (Check("runtime", check_runtime),),
    "registry": (Check("registry", check_registry),),
    "importer": (Check("importer", check_importer),),
    "command": (Check("command", check_command),),
    "callback": (Check("callback", check_callback),),
}
