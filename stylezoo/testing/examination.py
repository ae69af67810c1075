"""An examination: a series of checks on one component, each of which may find any number of faults.

The component is third-party code and may raise anything; that is a finding like any other.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from stylezoo.errors import OptionError
from stylezoo.findings import Finding, Report

T = TypeVar("T")

OWN_FOLDER = Path(__file__).parent


class Findings:
    """What one check has found so far.

    Args:
        check: its name.
        where: what the examination is about, if its report holds several.
    """

    def __init__(self, check: str, where: str = "") -> None:
        self.check = check
        self.found: list[Finding] = []
        self._places = [where] if where else []

    def error(self, message: str) -> None:
        """Report what must be mended."""
        self._add(message, "error")

    def advise(self, message: str) -> None:
        """Report what may be better."""
        self._add(message, "advice")

    def _add(self, message: str, severity: Literal["error", "advice"]) -> None:
        where = ", ".join(self._places)
        finding = Finding(check=self.check, where=where, message=message, severity=severity)
        if finding not in self.found:
            self.found.append(finding)

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Name the input of what follows, and report what the component raises there."""
        self._places.append(where)
        try:
            yield
        except Exception as error:  # third-party code may raise anything
            self.error(f"it raises {describe_error(error)}")
        finally:
            self._places.pop()


@dataclass(frozen=True, slots=True)
class Check(Generic[T]):
    """One check: its name, and what finds the faults."""

    name: str
    run: Callable[[T, Findings], None]


def examine(
    report: Report, subject: T, checks: Iterable[Check[T]], skip: Collection[str], where: str = ""
) -> None:
    """Run checks on a subject and add to a report what they find.

    Args:
        report: to add to.
        subject: what the checks are given.
        checks: in order.
        skip: the names of checks to leave out.
        where: what to put before the place of each finding.
    """
    for check in checks:
        if check.name in skip:
            continue
        report.checks.append(check.name)
        findings = Findings(check.name, where)
        try:
            with _one_thread():
                check.run(subject, findings)
        except Exception as error:  # third-party code may raise anything
            findings.error(f"it raises {describe_error(error)}")
        # One cause may fail every check in the same words: once is enough.
        known = {finding.message for finding in report.findings}
        report.findings += [f for f in findings.found if f.message not in known]


@contextmanager
def _one_thread() -> Iterator[None]:
    """What components are given here is small: threads would wait more than compute."""
    torch = sys.modules.get("torch")  # some checks need none, and do without its import
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def names_of(*series: Iterable[Check[Any]]) -> list[str]:
    """The names of all checks of some series."""
    return [check.name for checks in series for check in checks]


def check_skipped(skip: Collection[str], known: Iterable[str]) -> None:
    """Refuse to skip what is no check: it would be a misspelt name.

    Raises:
        OptionError: a name is none of those known.
    """
    names = sorted(set(known))
    for name in skip:
        if name not in names:
            raise OptionError(
                f"there is no check {name!r} to skip here; the checks are: {', '.join(names)}"
            )


def describe_error(error: BaseException) -> str:
    """An exception in a line, with the place in the component that it came from."""
    text = " ".join(str(error).split())
    if len(text) > 300:
        text = text[:300] + " ..."
    name = type(error).__name__
    return f"{name}: {text}{_origin(error)}" if text else f"{name}{_origin(error)}"


def _origin(error: BaseException) -> str:
    """The innermost line that is neither the kit's nor that of an installed library."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        library = {"torch", "numpy", "importlib", "contextlib.py"} & set(path.parts)
        if OWN_FOLDER not in path.parents and not library and not frame.filename.startswith("<"):
            return f" (at {path.parent.name}/{path.name}, line {frame.lineno})"
    return ""


def assert_conforms(report: Report) -> None:
    """Fail with every finding of a report that must be mended.

    Args:
        report: of one of the checks.

    Raises:
        AssertionError: there are such findings; the message lists them all, and the advice.
    """
    __tracebackhide__ = True  # pytest shows the caller's line in place of this one
    if not report.ok:
        raise AssertionError(render(report))


def render(report: Report) -> str:
    """A report as text: errors first, then advice."""
    advice = [finding for finding in report.findings if finding.severity == "advice"]
    count = len(report.errors)
    ran = f"{len(report.checks)} {_plural('check', len(report.checks))}"
    if report.ok:
        lines = [f"{report.subject} conforms ({ran})"]
    else:
        lines = [f"{report.subject}: {count} {_plural('fault', count)} ({ran})"]
        lines += [f"  - {finding}" for finding in report.errors]
    if advice:
        lines += ["  advice:", *(f"  - {finding}" for finding in advice)]
    return "\n".join(lines)


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else noun + "s"
