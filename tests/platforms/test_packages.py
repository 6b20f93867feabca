"""The built packages: complete, valid, and usable without the repository."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.platforms.workspace import run, tracked
from tools import course

SOURCES = ["attn_lib", "data", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"]
pytestmark = pytest.mark.xdist_group("packages")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, built from the sdist as an index would, and the sdist."""
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, course.ROOT)
    return next(dist.glob("*.whl")), next(dist.glob("*.tar.gz"))


def test_twine_accepts_both(built: tuple[Path, Path]) -> None:
    assert run(sys.executable, "-m", "twine", "check", "--strict", *built).count("PASSED") == 2


def test_the_wheel_carries_the_library_and_its_data(built: tuple[Path, Path]) -> None:
    names = set(zipfile.ZipFile(built[0]).namelist())
    inside = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert inside == tracked("attn_lib") | {f"attn_lib/{name}" for name in tracked("data")}
    assert "attn_lib/py.typed" in inside
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_holds_what_the_wheel_is_made_from(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert set().union(*map(tracked, SOURCES)) <= names


@pytest.mark.timeout(900)
def test_the_wheel_works_in_an_environment_of_its_own(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    """Installed with the dependencies that it declares, away from the repository."""
    venv = tmp_path / "venv"
    try:
        run(sys.executable, "-m", "venv", venv)
        python = venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        run(python, "-m", "pip", "install", "-q", "-c", course.ROOT / "constraints.txt", built[0])
        check = (
            "import attn_lib, pathlib, sys; here = pathlib.Path(attn_lib.__file__).parent;"
            "assert here.is_relative_to(sys.prefix), here;"
            "assert not any(m.split('.')[0] in ('IPython', 'ipywidgets') for m in sys.modules);"
            "print(*sorted(p.relative_to(here).as_posix() for p in (here / 'data').rglob('*')))"
        )
        found = run(python, "-c", check, cwd=tmp_path).split()
        assert tracked("data") <= set(found)
    finally:
        shutil.rmtree(venv, ignore_errors=True)
