"""Suites: strategies over many problems, and one verdict that says when the data do not decide."""

from surrogate_nas.suite.problems import Entrant, Problem, Suite
from surrogate_nas.suite.reading import SUITES, read_suite
from surrogate_nas.suite.result import ProblemResult, SuiteResult
from surrogate_nas.suite.runner import run_suite
from surrogate_nas.suite.tables import write_tables

__all__ = [
    "SUITES", "Entrant", "Problem", "ProblemResult", "Suite", "SuiteResult", "read_suite", "run_suite", "write_tables",
]  # fmt: skip
