"""Which version of a firmware was measured: what git says, or the CI system.

Must not know what a commit is for.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_FROM_CI = ("GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "GIT_COMMIT", "CIRCLE_SHA1")


def current_commit(
    folder: Path | None = None, environment: Mapping[str, str] = os.environ
) -> str | None:
    """The commit of `folder`'s work tree, with `-dirty` where files that git knows were changed;
    else the CI system's; null where neither tells."""
    where = folder or Path.cwd()
    head = _git(where, "rev-parse", "HEAD")
    if head:
        changed = _git(where, "status", "--porcelain", "--untracked-files=no")
        return f"{head}-dirty" if changed else head
    return next((environment[name] for name in _FROM_CI if environment.get(name)), None)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
