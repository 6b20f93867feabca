"""What tests on other platforms stand on: copies of the repository, environments, commands."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tools import course


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command; its output, or a failure that shows it."""
    done = subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def tracked(folder: str = ".") -> set[str]:
    """The files of a folder that belong to the repository, names relative to the root."""
    return set(run("git", "ls-files", folder, cwd=course.ROOT).split())


def copy_repository(target: Path) -> Path:
    """The repository's files as they stand in the working tree, without a history."""
    for name in tracked():
        source = course.ROOT / name
        if source.exists():  # a file that is deleted and not yet committed is not
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def commit(folder: Path) -> Path:
    """Make a git repository of a folder, with one commit that holds all of it."""
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", "--force", cwd=folder)
    run("git", *author, "commit", "--quiet", "--message=as it stands", cwd=folder)
    return folder
