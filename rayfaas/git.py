"""What git says of a directory, where there is git and the directory is in a repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PATIENCE_S = 5.0


def git(directory: Path, *arguments: str, patience_s: float = _PATIENCE_S) -> str | None:
    """What a git command answers, None where it fails, takes too long, or there is none."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=patience_s, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return answer.stdout.strip()


def commit_of(directory: Path, patience_s: float = _PATIENCE_S) -> tuple[str | None, bool | None]:
    """The commit that is checked out, and whether a file that git knows differs from it."""
    commit = git(directory, "rev-parse", "HEAD", patience_s=patience_s)
    if not commit:
        return None, None
    changed = git(directory, "status", "--porcelain", "--untracked-files=no", patience_s=patience_s)
    return commit, None if changed is None else bool(changed)


def holds(directory: Path, commit: str) -> bool:
    """Whether what is checked out has this commit in its history."""
    return git(directory, "merge-base", "--is-ancestor", commit, "HEAD") is not None
