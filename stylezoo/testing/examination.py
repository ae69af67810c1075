"""An examination: a series of checks on one component, each of which may find any number of faults.

The component is third-party code and may raise anything; that is a finding like any other.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from stylezoo.errors import OptionError
from stylezoo.findings import Finding, Report

T = TypeVar("T")

GROUNDS = frozenset({"determinism", "target", "eval-mode"})
"""Checks that show whether a component keeps state between calls."""

INTERFACE = "interface"
"""The check that is never skipped: the others rely on it."""

PLACES_SHOWN = 3
RAISES = "it raises "

OWN_FOLDER = Path(__file__).parent


class AlreadyReportedError(Exception):
    """A check cannot continue because of a fault that another check reports."""


class Findings:
    """What one check has found so far.

    Args:
        check: its name.
        where: the subject, if the report covers several.
    """

    def __init__(self, check: str, where: str = "") -> None:
        self.check = check
        self.found: list[Finding] = []
        self._places = [where] if where else []

    def error(self, message: str) -> None:
        """Report what must be fixed."""
        self._add(message, "error")

    def advise(self, message: str) -> None:
        """Report what could be better."""
        self._add(message, "advice")

    def _add(self, message: str, severity: Literal["error", "advice"]) -> None:
        where = ", ".join(self._places)
        finding = Finding(check=self.check, where=where, message=message, severity=severity)
        if finding not in self.found:
            self.found.append(finding)

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Name the input used in this block, and report what the component raises in it."""
        self._places.append(where)
        try:
            yield
        except AlreadyReportedError:
            pass
        except Exception as error:  # third-party code may raise anything
            self.error(f"{RAISES}{describe_error(error)}")
        finally:
            self._places.pop()


@dataclass(frozen=True, slots=True)
class Check(Generic[T]):
    """One check: its name, and the function that finds faults."""

    name: str
    run: Callable[[T, Findings], None]


def examine(
    report: Report, subject: T, checks: Iterable[Check[T]], skip: Collection[str], where: str = ""
) -> None:
    """Run checks on a subject and add their findings to a report.

    Args:
        report: to add to.
        subject: passed to each check.
        checks: in order.
        skip: the names of checks to leave out; ``INTERFACE`` always runs.
        where: prefix for the place of each finding.
    """
    for check in checks:
        if check.name in skip and check.name != INTERFACE:
            continue
        report.checks.append(check.name)
        findings = Findings(check.name, where)
        try:
            with _one_thread():
                check.run(subject, findings)
        except AlreadyReportedError:
            pass
        except Exception as error:  # third-party code may raise anything
            findings.error(f"{RAISES}{describe_error(error)}")
        # One cause may make every check raise the same error: report it once.
        raised = {f.message for f in report.findings if f.message.startswith(RAISES)}
        report.findings += [f for f in gathered(findings.found) if f.message not in raised]


def gathered(findings: Iterable[Finding]) -> list[Finding]:
    """Merge findings that are the same in several places; the first few places are named."""
    places: dict[Finding, list[str]] = {}
    for finding in findings:
        places.setdefault(replace(finding, where=""), []).append(finding.where)
    return [
        replace(finding, where="; ".join(filter(None, _shortened(wheres))))
        for finding, wheres in places.items()
    ]


def _shortened(wheres: list[str]) -> list[str]:
    more = len(wheres) - PLACES_SHOWN
    return [*wheres[:PLACES_SHOWN], f"and {more} more"] if more > 0 else wheres


def examine_on_grounds(
    report: Report,
    subject: T,
    grounds: Sequence[Check[T]],
    comparisons: Sequence[Check[T]],
    skip: Collection[str],
) -> None:
    """Run checks that compare a component's outputs, unless it keeps state between calls.

    State would make every comparison fail, for that one reason.

    Args:
        report: to add to.
        subject: passed to each check.
        grounds: checks to run first; those named in ``GROUNDS`` must find no error.
        comparisons: checks to run next.
        skip: the names of checks to leave out.
    """
    examine(report, subject, grounds, skip)
    shaky = sorted({finding.check for finding in report.errors} & GROUNDS)
    if not shaky:
        examine(report, subject, comparisons, skip)
        return
    waiting = [check.name for check in comparisons if check.name not in skip]
    report.findings.append(
        Finding(
            check="not-run",
            where="",
            message=(
                f"not run until the faults of {' and '.join(shaky)} are fixed: {', '.join(waiting)}"
            ),
            severity="advice",
        )
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run on one thread: inputs are so small that threads would wait more than compute."""
    torch = sys.modules.get("torch")  # some checks do not need it, and never import it
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
    """The names of all checks in some series."""
    return [check.name for checks in series for check in checks]


def check_skipped(skip: Collection[str], known: Iterable[str]) -> None:
    """Refuse to skip an unknown check, which is probably a misspelt name.

    Raises:
        OptionError: a name is not known.
    """
    names = sorted(set(known))
    for name in skip:
        if name not in names:
            raise OptionError(
                f"there is no check {name!r} to skip here; the checks are: {', '.join(names)}"
            )


def describe_error(error: BaseException) -> str:
    """An exception on one line, with the place in the component that raised it."""
    text = " ".join(str(error).split())
    if len(text) > 300:
        text = text[:300] + " ..."
    name = type(error).__name__
    return f"{name}: {text}{_origin(error)}" if text else f"{name}{_origin(error)}"


def _origin(error: BaseException) -> str:
    """The innermost line outside the kit, torch, numpy, importlib and contextlib."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        library = {"torch", "numpy", "importlib", "contextlib.py"} & set(path.parts)
        if OWN_FOLDER not in path.parents and not library and not frame.filename.startswith("<"):
            return f" (at {path.parent.name}/{path.name}, line {frame.lineno})"
    return ""


def assert_conforms(report: Report) -> None:
    """Fail if a report has errors.

    Args:
        report: from any of the checks.

    Raises:
        AssertionError: there are errors; the message lists them all, and the advice.
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
