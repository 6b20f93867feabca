"""Every rule on every notebook of the course."""

import pytest

from tests.notebooks.rules import RULES, Lesson, Rule
from tools import course


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", course.lessons(), ids=lambda path: path.stem)
def test_rule_holds(path, rule: Rule) -> None:
    assert rule(Lesson(course.read(path), path)) == []
