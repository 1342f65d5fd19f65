"""What all figures share: font, grid, layout, and plotly's figures as plain JSON.

Knows nothing of what is drawn, nor of pages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Figure = dict[str, Any]

FONT = {"family": "system-ui, sans-serif", "size": 13, "color": "#1c2330"}
_GRID = {"gridcolor": "#e6e9ef", "linecolor": "#8a93a3", "zeroline": False, "automargin": True}


def to_plain(figure: Any) -> Figure:
    """A plotly figure as plain JSON values; this is also where plotly checks its attributes."""
    plain: Figure = json.loads(figure.to_json(engine="json"))
    plain["layout"].pop("template", None)
    return plain


def lay_out(figure: Any, x: Mapping[str, Any], y: Mapping[str, Any]) -> None:
    """Give a figure the common look, with these axes."""
    figure.update_layout(
        font=FONT,
        height=380,
        margin={"l": 10, "r": 16, "t": 28, "b": 10},
        paper_bgcolor="#ffffff",
        plot_bgcolor="#ffffff",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"bgcolor": "#ffffff", "align": "left", "font": {"color": "#1c2330"}},
        hovermode="closest",
        dragmode="zoom",
        xaxis={**_GRID, **x},
        yaxis={**_GRID, **y},
        showlegend=True,
    )
