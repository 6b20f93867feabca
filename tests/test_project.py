"""What stands in several places says the same in all of them."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from tests.notebooks.rules import Lesson, broken, links
from tools import course
from tools.environment import WEIGHTS

ROOT = course.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
# conda-forge's names where they differ from those of the Python package index.
CONDA = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


def requirements(*extras: str) -> list[str]:
    """The names that the library and some of its extras ask for."""
    project = PROJECT["project"]
    listed = [*project["dependencies"]]
    for extra in extras:
        listed += project["optional-dependencies"][extra]
    return [course.normal(re.match(r"[\w.-]+", one)[0]) for one in listed]


def test_the_library_needs_three_packages_with_loose_bounds() -> None:
    assert requirements() == ["torch", "numpy", "matplotlib"]
    assert all(re.fullmatch(r"\w+>=[\d.]+", one) for one in PROJECT["project"]["dependencies"])


@pytest.mark.parametrize("name", [*requirements("course", "test", "docs", "platforms"), *WEIGHTS])
def test_every_requirement_is_pinned(name: str) -> None:
    assert re.fullmatch(r"\d[\w.]*", course.pins()[name])


def test_constraints_name_no_place() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)


def conda() -> dict[str, str]:
    """environment.yml's packages and the versions it asks for."""
    specs = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    return {spec.partition("=")[0]: spec.partition("=")[2] for spec in specs}


def test_binder_has_what_a_notebook_needs() -> None:
    given = {CONDA.get(name, name) for name in conda()}
    assert set(requirements("course")) <= given


@pytest.mark.parametrize("name", sorted(set(conda()) - {"python", "pip"}))
def test_binder_agrees_with_the_constraints(name: str) -> None:
    pinned = course.pins()[CONDA.get(name, name)]
    assert f"{pinned}.".startswith(f"{conda()[name]}.")


@pytest.mark.parametrize("place", ["postBuild", "README.md"])
def test_the_weights_are_the_pinned_ones(place: str) -> None:
    text = (ROOT / place).read_text(encoding="utf-8")
    assert all(one in text for one in course.weights())


def test_the_address_is_the_same_everywhere() -> None:
    address = course.address()
    slug = address.removeprefix("https://github.com/")
    name = slug.partition("/")[2]
    for place in ("README.md", "CITATION.cff"):
        text = (ROOT / place).read_text(encoding="utf-8")
        assert address in text
        assert set(re.findall(rf"[\w-]+/{name}\b", text)) == {slug}


def test_readme_lists_the_lessons() -> None:
    table = README.split("<!-- lessons -->\n")[1].split("\n<!-- /lessons -->")[0]
    assert table == course.table(course.address()), "run `make address`"


def test_links_of_readme_resolve() -> None:
    at_root = Lesson(None, ROOT / "README.md")
    assert [(link, broken(link, at_root)) for link in links(README) if broken(link, at_root)] == []


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == PROJECT["project"]["version"]


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=str)
def test_workflows_parse_and_call_what_exists(path) -> None:
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["jobs"]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
    assert all((ROOT / one).exists() for one in re.findall(r"\btools/\w+\.py", text))


def test_the_ten_lines_of_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, object] = {}
    exec(README.split("```python\n")[1].split("```")[0], space)
    assert "causal & (window(3) | global_tokens(1))" in capsys.readouterr().out
    assert tuple(space["y"].shape) == (1, 6, 16)  # type: ignore[attr-defined]
