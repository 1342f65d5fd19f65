"""A page that shows itself without a network: its shell, its look, the script that draws figures.

Its policy (Content-Security-Policy) forbids the page any connection, so a browser enforces what
this module promises. Knows nothing of what a page tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)

_STYLE = """
:root { color: #1c2330; background: #ffffff; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 78rem; margin: 0 auto; padding: 1.5rem clamp(0.8rem, 3vw, 2rem) 3rem; }
h1 { margin: 0 0 0.5rem; font-size: 1.7rem; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 0.6rem; padding-top: 0.8rem; border-top: 1px solid #d9dee6;
  font-size: 1.25rem; }
h3 { margin: 1.2rem 0 0.4rem; font-size: 1rem; }
p, li, dd { overflow-wrap: anywhere; max-width: 75ch; }
.headline { max-width: none; margin: 0 0 1rem; padding: 0.7rem 1rem; font-size: 1.05rem;
  background: #eef4fa; border-left: 4px solid #0072b2; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0; }
dt { color: #5a6475; }
dd { margin: 0; }
ul { padding-left: 1.2rem; margin: 0.4rem 0; }
.plots { display: grid; gap: 0.8rem; margin: 0.8rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
.plot { min-width: 0; min-height: 7rem; }
.wide { overflow-x: auto; border: 1px solid #d9dee6; border-radius: 4px; }
table { border-collapse: collapse; font-size: 0.86rem; width: 100%; }
th, td { padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
th { background: #f3f5f8; vertical-align: bottom; min-width: 4rem; }
tbody tr { border-top: 1px solid #e6e9ef; }
td { white-space: nowrap; }
td:last-child { white-space: normal; min-width: 8rem; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n:last-child { white-space: nowrap; min-width: 0; }
td small { color: #5a6475; }
.all .front td { background: #fdf1e7; }
.all .failed td { color: #8a2c0d; }
.blocks { list-style: none; }
details details { margin-left: 1.2rem; }
details { margin: 0.4rem 0; }
summary { cursor: pointer; padding: 0.2rem 0; }
pre { padding: 0.6rem 0.8rem; background: #f3f5f8; border-radius: 4px; font-size: 0.82rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
code { font-size: 0.9em; }
@media (max-width: 40rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.4rem; }
}
@media print {
  @page { margin: 12mm; }
  :root { font-size: 11px; }
  main { max-width: none; padding: 0; }
  .plots { grid-template-columns: 1fr 1fr; }
  .plot, tr, dl { break-inside: avoid; }
  .wide { overflow: visible; border: 0; }
  table { font-size: 8px; }
  td { white-space: normal; overflow-wrap: anywhere; }
  td.n { white-space: nowrap; }
  td small { display: block; }
  th, td { padding: 0.15rem 0.3rem; min-width: 0; }
  .modebar { display: none !important; }
}
"""

# `data-drawn` and `data-fault` on the body say what came of it, to whoever looks from outside.
_SCRIPT = """
window.addEventListener("error", event => { document.body.dataset.fault = event.message; });
const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage"]] };
const drawn = Object.entries(report.figures).map(([id, figure]) => {
  for (const trace of figure.data) {
    if (trace.ids) trace.text = trace.ids.map(index => report.hover[index]);
  }
  return Plotly.newPlot(id, figure.data, figure.layout, config);
});
Promise.all(drawn).then(
  plots => { document.body.dataset.drawn = plots.length; },
  fault => { document.body.dataset.fault = String(fault); });
const redraw = () => document.querySelectorAll(".js-plotly-plot").forEach(
  plot => Plotly.Plots.resize(plot));
window.matchMedia("print").addEventListener("change", redraw);
"""


def page(title: str, body: str, figures: Mapping[str, Any], hover: Sequence[str] = ()) -> str:
    """The page as text, plotly's script within.

    `title` is plain text, `body` HTML. `figures` are plotly's JSON by the id of their `place`;
    `hover` are texts whose numbers points carry as `ids`.
    """
    from plotly.offline import get_plotlyjs

    data = script_json({"figures": figures, "hover": list(hover)})
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · munas</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
{body}
</main>
<script>{get_plotlyjs()}</script>
<script>const report = {data};
{_SCRIPT}</script>
</body>
</html>
"""


def script_json(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def section(title: str, *parts: str) -> str:
    """A section of the page; the title is plain text, the parts are HTML."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def bullets(items: Iterable[str]) -> str:
    """A list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def definitions(pairs: Mapping[str, str]) -> str:
    """Terms and what they are, both plain texts."""
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs.items())
    return f"<dl>{items}</dl>"


def place(name: str, label: str) -> str:
    """Where the figure `name` is drawn; `label` is for who cannot see it."""
    return f'<div class="plot" id="{escape(name)}" role="img" aria-label="{escape(label)}"></div>'
