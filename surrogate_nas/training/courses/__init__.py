"""Courses by name: how a run of training is spent, from batches of examples to episodes of a policy."""

from __future__ import annotations

import importlib

from surrogate_nas.core.errors import unknown
from surrogate_nas.training.courses.base import Answer, Course

__all__ = ["COURSES", "Answer", "Course", "course_named"]

COURSES = {
    "policy": "policy:Policy",
    "supervised": "supervised:Supervised",
    "adversarial": "adversarial:Adversarial",
    "reconstruction": "reconstruction:Reconstruction",
}
"""The file here and the class of every course."""


def course_named(name: str) -> type[Course]:
    """Find a course.

    Args:
        name: A key of `COURSES`.

    Raises:
        UserError: There is none of this name.
    """
    if name not in COURSES:
        raise unknown("course of training", name, COURSES)
    file, _, found = COURSES[name].partition(":")
    kind: type[Course] = getattr(importlib.import_module(f"{__name__}.{file}"), found)
    return kind
