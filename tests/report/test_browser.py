"""The page in a browser: it draws itself, without a fault and without a connection."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from munas.report import write_report
from munas.store import Ledger

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
    "--virtual-time-budget=5000", "--window-size=480,2000", "--dump-dom",
]  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_draws_itself(ledger: Ledger, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(ledger, page)
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [str(CHROMIUM), *OPTIONS, profile, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    body = re.search(r"<body[^>]*>", done.stdout)
    assert body is not None
    assert 'data-drawn="7"' in body[0]
    assert "data-fault" not in body[0]
    # Refused connections and faults in scripts alike are messages of the console.
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
