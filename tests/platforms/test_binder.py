"""Binder, as far as it can be tried without Docker."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.notebooks.budget import budget
from tests.platforms.conftest import missing
from tests.platforms.workspace import copy_repository, run
from tools import course

ENVIRONMENT = yaml.safe_load((course.ROOT / "environment.yml").read_text(encoding="utf-8"))
# conda-forge's names where they differ from those of the Python package index
CONDA = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
GIGABYTES = 1.5  # Binder gives 1 GB for sure and 2 GB at most
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("binder")]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's files in a folder of their own."""
    return copy_repository(tmp_path_factory.mktemp("binder"))


@pytest.mark.parametrize("spec", ENVIRONMENT["dependencies"])
def test_conda_reads_the_specs_and_they_take_the_pinned_versions(spec: str) -> None:
    if importlib.util.find_spec("rattler") is None:
        missing("there is no py-rattler: `make test-platforms` installs it")
    from rattler import MatchSpec, Version, VersionSpec

    name = MatchSpec(spec).name.normalized
    version = spec.partition("=")[2]
    if name in ("python", "pip"):
        return
    assert VersionSpec(f"={version}").matches(Version(course.pins()[CONDA.get(name, name)]))


def test_post_build_installs_into_a_fresh_environment(clone: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", venv)
    place = os.environ | {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    try:
        run("bash", clone / "postBuild", cwd=clone, env=place)
        given = run(venv / "bin/python", "-m", "pip", "list", "--format=freeze").lower()
        assert {*course.weights()} <= set(given.split())
        where = "import importlib.util as u; print(u.find_spec('attn_lib').origin)"
        assert run(venv / "bin/python", "-c", where, cwd=tmp_path).startswith(str(clone))
    finally:
        shutil.rmtree(venv, ignore_errors=True)


def test_repo2docker_prints_its_dockerfile(clone: Path) -> None:
    program = Path(sys.executable).with_name("jupyter-repo2docker")
    if not program.exists():
        missing("there is no repo2docker: `make test-platforms` installs it")
    printed = run(program, "--no-build", "--debug", clone, cwd=clone.parent)
    assert "python=3.11" in printed
    assert "environment.yml" in printed and "./postBuild" in printed


@pytest.mark.parametrize("path", course.lessons(), ids=lambda path: path.stem)
def test_a_lesson_fits_into_binders_memory(path: Path) -> None:
    """`make test` measures each lesson's memory and holds it to this budget."""
    assert budget(path.name)[1] <= GIGABYTES
