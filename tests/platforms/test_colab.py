"""Colab: each notebook alone in an empty folder, where the library is not installed.

One environment carries what Colab brings: its NumPy, matplotlib, IPython, ipykernel and ipywidgets,
a stand-in for `google.colab`, and the other packages that lessons use. Its torch is Colab's where
an index offers a CPU build of it; elsewhere pip would bring several gigabytes of CUDA, so there the
pinned torch stands in. The Python is the one that runs the tests. Each notebook works in a room of
its own, an empty environment that sees the packages of the large one, so that what one notebook
installs is absent for the next.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from tests.platforms.workspace import commit, copy_repository, run
from tools import course

# as of August 2026
COLAB = [
    "numpy==2.1.*",
    "matplotlib==3.10.*",
    "ipython==7.34.0",
    "ipykernel==6.17.1",
    "ipywidgets==7.7.1",
]
COLAB_TORCH = "torch==2.11.0+cpu"
ALSO = ["babel", "einops", "safetensors", "tokenizers", "tqdm"]
CELL_SECONDS = 240
LARGE = course.ROOT / "build" / "colab"
pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.name == "nt", reason="Colab is Linux"),
]


def pip(python: Path, *packages: str) -> None:
    """`pip install` into an environment."""
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)


def furnish(folder: Path) -> None:
    """Make the large environment."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin/python"
    try:
        pip(python, COLAB_TORCH)
    except AssertionError:
        pip(python, f"torch=={course.pins()['torch']}")
    pip(python, *COLAB, *(f"{name}=={course.pins()[name]}" for name in ALSO), "setuptools")
    google = packages(folder) / "google" / "colab"
    google.mkdir(parents=True)
    (google / "__init__.py").write_text('"""A stand-in for the module that only Colab has."""\n')


def packages(environment: Path) -> Path:
    """The folder of an environment's packages."""
    return next((environment / "lib").glob("python*/site-packages"))


@pytest.fixture(scope="session")
def colab() -> Path:
    """The large environment: made by the first worker that needs it, and kept for the next run."""
    folder, made = LARGE, LARGE.with_suffix(".txt")
    LARGE.parent.mkdir(exist_ok=True)
    key = "\n".join([sys.version, COLAB_TORCH, *COLAB, *(f"{n}=={course.pins()[n]}" for n in ALSO)])
    with FileLock(LARGE.with_suffix(".lock")):
        if not made.exists() or made.read_text() != key:
            shutil.rmtree(folder, ignore_errors=True)
            furnish(folder)
            made.write_text(key)
    return folder


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of the course as it stands, for the set-up cell to install from."""
    return commit(copy_repository(tmp_path_factory.mktemp("origin")))


@pytest.fixture
def room(colab: Path, tmp_path: Path) -> Path:
    """An environment of a notebook's own; it sees the large one's packages."""
    folder = tmp_path / "room"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    (packages(folder) / "colab.pth").write_text(f"{packages(colab)}\n")
    return folder


class Specs(KernelSpecManager):
    """Knows one kernel: that of a room."""

    def __init__(self, python: Path, folder: Path) -> None:
        spec = folder / "kernels" / "python3"
        spec.mkdir(parents=True)
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        words = {"argv": command, "display_name": "Colab", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(words))
        super().__init__(kernel_dirs=[str(spec.parent)], ensure_native_kernel=False)


def test_the_environment_is_colabs_and_has_no_library(room: Path, tmp_path: Path) -> None:
    code = (
        "import google.colab, importlib.util, IPython, ipywidgets, json, matplotlib, numpy, torch;"
        "print(json.dumps([importlib.util.find_spec('attn_lib'), numpy.__version__,"
        "matplotlib.__version__, IPython.__version__, ipywidgets.__version__, torch.__version__]))"
    )
    found = json.loads(run(room / "bin/python", "-c", code, cwd=tmp_path))
    assert found[0] is None
    assert found[1].startswith("2.1.") and found[2].startswith("3.10.")
    assert found[3:5] == ["7.34.0", "7.7.1"]
    assert found[5].startswith(("2.11.0", course.pins()["torch"]))


@pytest.mark.parametrize("path", course.lessons(), ids=lambda path: path.stem)
def test_a_notebook_runs_alone(path: Path, room: Path, origin: Path, tmp_path: Path) -> None:
    folder = tmp_path / "content"
    folder.mkdir()
    nb = course.read(path)
    setup = next(cell for cell in nb.cells if cell.cell_type == "code")
    setup.source = course.setup_cell(course.number(path), f"file://{origin}")
    nb.cells.append(new_code_cell("import attn_lib; print(attn_lib.__file__)"))
    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=Specs(room / "bin/python", tmp_path)
    )
    kept = {"PATH", "HOME", "LANG", "TMPDIR"}
    plain = {
        key: value
        for key, value in os.environ.items()
        if key in kept or key.startswith(("PIP_", "SSL_", "HTTP", "http", "no_proxy", "NO_PROXY"))
    }
    plain |= {"OMP_NUM_THREADS": "1", "IPYTHONDIR": str(tmp_path / "ipython")}
    client = NotebookClient(
        nb,
        km=manager,
        timeout=CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=plain, stderr=subprocess.DEVNULL)
    assert nb.cells[-1].outputs[0].text.startswith(str(room))
