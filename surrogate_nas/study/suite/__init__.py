"""Suites: strategies over many problems, and one verdict that says when the data do not decide."""

from surrogate_nas.study.suite.problems import Entrant, Problem, Suite
from surrogate_nas.study.suite.reading import SUITES, read_suite
from surrogate_nas.study.suite.result import ProblemResult, SuiteResult
from surrogate_nas.study.suite.runner import run_suite
from surrogate_nas.study.suite.tables import write_tables

__all__ = [
    "SUITES", "Entrant", "Problem", "ProblemResult", "Suite", "SuiteResult", "read_suite", "run_suite", "write_tables",
]  # fmt: skip
