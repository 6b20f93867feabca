"""Checks write progress; in tests it goes to a temporary file."""

import pytest

from attn_lib import checks
from attn_lib.checks import _progress


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    path = tmp_path / ".progress.json"
    monkeypatch.setenv(_progress.ENVIRONMENT, str(path))
    monkeypatch.setattr(checks, "_failures", {})
    return path
