"""docs/licences.md has a row for every dependency of pyproject.toml, and for no other."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "licences.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {match[0].lower() for match in found if match}


def rows(heading: str) -> dict[str, str]:
    """The rows of one heading's table: the package and all else of the line."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `([\w.-]+)` \|(.*)\|$", section, re.MULTILINE))


def test_core() -> None:
    assert rows("Core").keys() == names(PROJECT["dependencies"])


def test_development() -> None:
    assert rows("Development").keys() == names(EXTRAS["dev"])


def test_extras() -> None:
    listed = {package: line.split("|")[0].strip(" `") for package, line in rows("Extras").items()}
    expected = {
        package: extra
        for extra, requirements in EXTRAS.items()
        if extra != "dev"
        for package in names(requirements)
    }
    assert listed == expected


def test_agrees_with_the_metadata() -> None:
    """Where a distribution states a licence that can be compared, the table says the same."""
    compared = 0
    for package, line in {**rows("Core"), **rows("Development")}.items():
        try:
            stated = importlib.metadata.metadata(package).get("License-Expression")
        except importlib.metadata.PackageNotFoundError:
            continue
        if stated is not None:
            compared += 1
            assert any(licence in line for licence in re.split(r" (?:AND|OR) ", stated)), package
    assert compared
