"""The findings of checks: every fault at once, each with its place and reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One finding of a check.

    Attributes:
        check: name of the check, in kebab-case.
        where: what it is about: a field's path, a file, an input's shape.
        message: what is wrong, with the value, and what to do.
        severity: ``"error"`` for what must be fixed, ``"advice"`` for what could be better.
    """

    check: str
    where: str
    message: str
    severity: Literal["error", "advice"] = "error"

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.check}{place}: {self.message}"


@dataclass(kw_only=True, slots=True)
class Report:
    """What a series of checks found about one subject.

    Attributes:
        subject: what was checked.
        checks: the names of the checks that ran, in order.
        findings: what they found.
    """

    subject: str
    checks: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        """The findings that must be fixed."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def ok(self) -> bool:
        """Whether nothing must be fixed."""
        return not self.errors
