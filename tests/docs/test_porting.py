"""docs/porting.md shows the example as it is: blocks of code occur in its files to the letter."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "firmware" / "examples" / "porting"
BLOCKS = re.findall(
    r"^```(cpp|ini)\n(.*?)^```$", (ROOT / "docs" / "porting.md").read_text(), re.DOTALL | re.M
)


def test_the_page_shows_code() -> None:
    assert {kind for kind, _ in BLOCKS} == {"cpp", "ini"}


@pytest.mark.parametrize(("kind", "block"), BLOCKS)
def test_a_block_is_the_examples(kind: str, block: str) -> None:
    files = [path.read_text() for path in EXAMPLE.glob("*.ini" if kind == "ini" else "*.[ch]*")]
    written = [textwrap.indent(block, " " * depth) for depth in range(0, 9, 2)]
    assert any(text in file for text in written for file in files), block
