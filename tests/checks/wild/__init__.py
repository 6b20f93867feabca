"""Code as learners write it: wrong in many ways (`WILD`), or right in unusual ones (`CORRECT`)."""

from __future__ import annotations

from . import lesson02, lesson03, lesson04, lesson05, lesson06, lesson07, lesson08, lesson09
from ._wild import Correct, Wild

LESSONS = (lesson02, lesson03, lesson04, lesson05, lesson06, lesson07, lesson08, lesson09)
WILD: list[Wild] = [wild for lesson in LESSONS for wild in lesson.WILD]
CORRECT: list[Correct] = [right for lesson in LESSONS for right in lesson.CORRECT]

__all__ = ["CORRECT", "LESSONS", "WILD", "Correct", "Wild"]
