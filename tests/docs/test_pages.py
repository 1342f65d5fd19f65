"""What the pages name exists: commands, files, faults, exit codes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from munas.cli.main import COMMANDS
from munas.errors import ExitCode
from munas.experiment import load_experiment

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("https:"):
            assert (page.parent / target).exists(), target


def test_the_readme_lists_the_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^\| `munas (\w+)", text, re.MULTILINE)) == set(COMMANDS)


def test_the_readme_experiment_is_valid(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    path = tmp_path / "mine.toml"
    path.write_text(found[1])
    load_experiment(path)


def fault_names() -> set[str]:
    """The `name` of every class called …Error in the package, read without importing it."""
    found = set()
    for path in (ROOT / "host" / "munas").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                found |= {
                    str(ast.literal_eval(line.value))
                    for line in node.body
                    if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "name"
                }
    return found


def test_every_fault_and_exit_code_is_listed() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text()
    codes = re.findall(r"^\| (\d+)", page, re.MULTILINE)
    assert fault_names() - {"error"} <= set(re.findall(r"`([a-z-]+)`", page))
    assert {int(code) for code in codes} == {int(code) for code in ExitCode}


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or page.name in index, page.name
