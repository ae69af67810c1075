"""Running and reporting checks: raised errors, repeated findings, and the rendered text."""

import pytest

from stylezoo.findings import Report
from stylezoo.testing import (
    assert_conforms,
    check_backbone,
    check_loss,
    check_net,
    check_norm,
    check_source,
)
from stylezoo.testing.examination import AlreadyReportedError, Check, examine, render


def component(subject):
    return subject["missing"]


def fails_everywhere(subject, findings):
    for number in range(5):
        with findings.at(f"input {number}"):
            component(subject)


def fails_again(subject, findings):
    component(subject)


def finds(subject, findings):
    for name in ("a", "b"):
        with findings.at(f"option {name}"):
            findings.error("it has no default")
    findings.advise("it could be better")


def cannot_go_on(subject, findings):
    with findings.at("somewhere"):
        raise AlreadyReportedError


def test_faults_are_gathered_and_told_once():
    report = Report(subject="a thing")
    checks = [
        Check("first", fails_everywhere),
        Check("second", fails_again),
        Check("third", finds),
        Check("fourth", cannot_go_on),
        Check("left-out", finds),
    ]
    examine(report, {}, checks, skip=["left-out"])
    assert report.checks == ["first", "second", "third", "fourth"]
    assert render(report).splitlines() == [
        "a thing: 2 faults (4 checks)",
        "  - first (input 0; input 1; input 2; and 2 more): it raises KeyError: 'missing' "
        "(at testing/test_examination.py, line 18)",
        "  - third (option a; option b): it has no default",
        "  advice:",
        "  - third: it could be better",
    ]


def test_a_report_without_errors_conforms():
    report = Report(subject="a thing")
    examine(report, {}, [Check("only", lambda _, findings: findings.advise("hm"))], skip=[])
    assert_conforms(report)
    assert render(report).startswith("a thing conforms (1 check)\n")
    examine(report, {}, [Check("other", fails_again)], skip=[])
    with pytest.raises(AssertionError, match="other: it raises KeyError"):
        assert_conforms(report)


@pytest.mark.parametrize("check", [check_backbone, check_loss, check_net, check_norm, check_source])
def test_the_interface_is_checked_in_any_case(check):
    report = check(lambda *_, **__: "nothing", skip=["interface"])
    assert {finding.check for finding in report.errors} == {"interface"}
