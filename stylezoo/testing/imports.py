"""How a plugin is imported, and what it imports from stylezoo."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import stylezoo
from stylezoo import errors, testing
from stylezoo.testing.examination import Findings

TIMEOUT = 120
SLOW_SECONDS = 0.3
PUBLIC_MODULES: Mapping[str, Collection[str]] = {
    "errors": [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ],
    "testing": testing.__all__,
}
"""The public modules in stylezoo, and their public names."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What came along with an import in a new process.

    Attributes:
        heavy: the line that imports each heavy module, by the module's name.
        error: what was raised; empty if nothing was.
        seconds: how long it took.
    """

    heavy: dict[str, str]
    error: str
    seconds: float


def import_elsewhere(module: str, attribute: str = "") -> ImportResult:
    """Import a module in a new process.

    Args:
        module: to import.
        attribute: a source in the module, to make and list the names of; empty for none.
    """
    task = json.dumps({"path": sys.path, "module": module, "attribute": attribute})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "stylezoo.testing.import_probe"],
        input=task,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    try:
        return ImportResult(**json.loads(done.stdout))
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return ImportResult({}, f"the process ended: {last[0]}", 0.0)


def check_light(module: str, findings: Findings, attribute: str = "") -> None:
    """Report heavy modules that an import brings along."""
    result = import_elsewhere(module, attribute)
    what = f"making it and listing its names (in {module})" if attribute else f"importing {module}"
    if result.error:
        findings.error(f"in a new process, {what} raises {result.error}")
    for name, place in result.heavy.items():
        where = (
            "inside the function that uses it"
            if attribute
            else (
                "in the component's module, and register the component by its path "
                "'package.module:attribute'"
            )
        )
        findings.error(
            f"{what} imports {name} ({place}), which delays every 'stylezoo list'; import it "
            f"{where}"
        )
    if not result.heavy and result.seconds > SLOW_SECONDS:
        findings.advise(
            f"{what} takes {result.seconds:.2f} s at each start of the program; to see why, run "
            f"python -X importtime -c 'import {module}'"
        )


def check_private_imports(modules: list[str], findings: Findings) -> None:
    """Report every use of stylezoo names that are not public.

    Args:
        modules: the plugin's; every file of their packages is read.
        findings: to report to.
    """
    for path in sorted({path for module in modules for path in _sources_of(module)}):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError) as error:
            findings.error(f"{path} cannot be read as Python: {error}")
            continue
        for line, name in _private_names(tree):
            with findings.at(f"{path.parent.name}/{path.name}, line {line}"):
                findings.error(
                    f"it uses {name}, which may change without notice; import only public names: "
                    f"those in stylezoo.__all__, stylezoo.errors and stylezoo.testing"
                )


def _sources_of(module: str) -> Iterator[Path]:
    """The files of a module's outermost package."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return
    if spec is None or spec.name == "stylezoo":
        return
    for folder in spec.submodule_search_locations or ():
        yield from Path(folder).rglob("*.py")
    if not spec.submodule_search_locations and spec.origin and spec.origin.endswith(".py"):
        yield Path(spec.origin)


def _private_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    aliases = {"stylezoo"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {a.asname for a in node.names if a.name == "stylezoo" and a.asname}
    for node in ast.walk(tree):
        for name in _used(node, aliases):
            if not _is_public(name):
                yield getattr(node, "lineno", 0), name


def _used(node: ast.AST, aliases: set[str]) -> list[str]:
    """The dotted names under ``stylezoo`` that a syntax node uses."""
    if isinstance(node, ast.Import):
        return [a.name for a in node.names if a.name.startswith("stylezoo.")]
    if isinstance(node, ast.ImportFrom) and not node.level:
        if node.module == "stylezoo":
            return [f"stylezoo.{a.name}" for a in node.names if a.name != "*"]
        if (node.module or "").startswith("stylezoo."):
            return [f"{node.module}.{a.name}" for a in node.names]
    if isinstance(node, ast.Attribute):
        return _attribute_of(node, aliases)
    if isinstance(node, ast.Call) and _name_of(node.func) == "import_module":
        texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
        return [t for t in texts if isinstance(t, str) and t.startswith("stylezoo.")]
    return []


def _attribute_of(node: ast.Attribute, aliases: set[str]) -> list[str]:
    """The name that an attribute of ``stylezoo``, or of one of its public modules, stands for."""
    value = node.value
    # Only on a bare name: self.stylezoo.shape is an attribute that happens to be called that.
    if isinstance(value, ast.Name) and value.id in aliases:
        return [f"stylezoo.{node.attr}"]
    if isinstance(value, ast.Attribute) and value.attr in PUBLIC_MODULES:
        return [f"{module}.{node.attr}" for module in _attribute_of(value, aliases)]
    return []


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_public(name: str) -> bool:
    """Whether a plugin may use a dotted name under ``stylezoo``."""
    first, *rest = name.split(".")[1:]
    if first in PUBLIC_MODULES:
        return not rest or rest == ["*"] or (len(rest) == 1 and rest[0] in PUBLIC_MODULES[first])
    return not rest and first in stylezoo.__all__
