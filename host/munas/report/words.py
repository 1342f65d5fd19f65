"""What a report says in words: numbers, sources, architectures. Plain text, not yet escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from munas.arch import (
    Architecture,
    Block,
    Cnn1dArchitecture,
    CnnArchitecture,
    Layer,
    Network,
    assemble,
)
from munas.errors import BadInputError
from munas.report.facts import Facts, Record

_LATENCY = {
    "silicon": "Measured on the board.",
    "emulated": "Computed by an emulated board, a model of the chip; not measured on hardware.",
    "predicted": "Predicted by a model that was fitted on measurements; not measured.",
    "mac": "Nothing was timed: the figures follow from multiply-accumulates (MACs) alone.",
}
_ARENA = {
    "silicon": "reported by the engine on the board",
    "emulated": "reported by the engine on an emulated board, a model of the chip",
    "host": "the arena of TensorFlow Lite Micro on the computer that ran the search, a screen: "
    "on a microcontroller it differs",
    "model": "peak memory of the operator graph",
}


def number(value: float | None) -> str:
    """A count with thousands separators; a dash where it is not known."""
    return "–" if value is None else f"{value:,}"


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with two decimals; a dash where it is not known."""
    return "–" if fraction is None else f"{100 * fraction:.2f} %"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def latency_sentence(identity: Mapping[str, Any]) -> str:
    """Which source gave the latencies of the run, why, for which board, and what that means."""
    source = str(identity.get("latency_source", "not recorded"))
    reason = identity.get("latency_reason")
    because = f", because {reason}" if reason else ""
    board = identity.get("target") or identity.get("board")
    engine = identity.get("engine")
    target = f" Target board: {board}{f', engine {engine}' if engine else ''}." if board else ""
    return f"Latency: {source}{because}. {_LATENCY.get(source, '')}{target}".replace(" .", ".")


def memory_sentences(facts: Facts) -> list[str]:
    """Where each memory figure of the page comes from."""
    said = [
        "Peak memory (source: model): activations of the emitted operator graph in its best order, "
        "without the input buffer.",
        "Model size: weights and biases as stored. Flash: the bytes of the .tflite file, without "
        "the engine's code.",
    ]
    for source in facts.sources("arena_used_bytes"):
        said.append(f"Arena (source: {source}): {_ARENA.get(source, 'of unknown meaning')}.")
    return said


def silences(facts: Facts) -> list[str]:
    """What the numbers of this run do not say."""
    said = []
    timed = [row for row in facts.table if row["latency_us"] is not None]
    if not timed:
        said.append(
            "There is no latency in microseconds here. MACs are not a latency: networks with equal "
            "MACs can differ in time on a microcontroller."
        )
    sources = set(facts.sources("latency_us"))
    if "emulated" in sources:
        said.append("Emulated latencies come from a model of the chip, with the model's error.")
    if "predicted" in sources or ("mac" in sources and timed):
        said.append("Predicted latencies and latencies from MACs are estimates, not measurements.")
    if "host" in facts.sources("arena_used_bytes"):
        said.append(
            "The arena of source host is that of x86-64. It sorts out what is hopeless; whether a "
            "network fits is known once its arena is measured on the target."
        )
    said.append(
        "Each network was trained once, with one seed: differences of a point of accuracy can be "
        "chance. The search chose by validation accuracy, so that of the winner is optimistic; the "
        "test accuracy of the front is not."
    )
    return said


def headline(facts: Facts) -> str:
    """The best feasible candidate in one sentence, or why there is none."""
    row = facts.best
    if row is None:
        if not facts.table:
            return "No candidate has a result yet."
        within = "is within all bounds" if facts.bounds else "was trained to its end"
        return f"No candidate of {number(len(facts.table))} {within}."
    parts = [f"{number(row['macs'])} MACs"]
    if row["latency_us"] is not None:
        parts.append(f"{number(row['latency_us'])} µs ({row['latency_source']})")
    if row["arena_used_bytes"] is not None:
        parts.append(f"{number(row['arena_used_bytes'])} B of arena ({row['arena_source']})")
    parts.append(f"{number(row['peak_memory_bytes'])} B of peak memory")
    if row["flash_bytes"] is not None:
        parts.append(f"{number(row['flash_bytes'])} B of flash")
    tested = row["test_accuracy_int8"]
    test = f" ({percent(tested)} on the test images)" if tested is not None else ""
    return (
        f"Candidate {row['candidate_id']} is the most accurate within all bounds: "
        f"{percent(row['val_accuracy_int8'])} of the validation images right as an int8 model"
        f"{test}, with {', '.join(parts)}."
    )


def architecture(value: Record) -> list[str] | None:
    """An architecture line by line; null where this munas cannot read it."""
    try:
        parsed = Architecture.from_dict(dict(value))
    except BadInputError:
        return None
    height, width, channels = parsed.input
    lines = [f"Input {height}×{width}×{channels}"]
    network = assemble(parsed)
    if isinstance(parsed, CnnArchitecture):
        lines += _blocks(parsed, network)
        if parsed.pool is not None:
            kind = "Average" if parsed.pool.type == "avg" else "Max"
            size = parsed.pool.size
            window = _window(size, parsed)
            lines.append(f"{kind} pooling, " + ("global" if size == "global" else window))
    lines += [f"Dense, {units} units, ReLU" for units in parsed.dense]
    lines.append(f"Output, {parsed.logits} logit{'s' * (parsed.logits > 1)}")
    return lines


def _blocks(parsed: CnnArchitecture, network: Network) -> Iterator[str]:
    shapes = {node.place: node.shape for node in network.nodes if node.kind in ("conv", "dwconv")}
    serial = 0
    for index, block in enumerate(parsed.blocks):
        serial = serial if block.branch else index
        place = f", parallel to block {serial + 1}, joined by addition" if block.branch else ""
        height, width, channels = shapes[(index, len(block.layers) - 1)]
        yield f"Block {index + 1}{place}: {_layers(block, parsed)} → {height}×{width}×{channels}"


def _window(size: object, parsed: CnnArchitecture) -> str:
    return f"{size}×1" if isinstance(parsed, Cnn1dArchitecture) else f"{size}×{size}"


def _layers(block: Block, parsed: CnnArchitecture) -> str:
    return "; ".join(_layer(layer, parsed) for layer in block.layers)


def _layer(layer: Layer, parsed: CnnArchitecture) -> str:
    kernel = _window(layer.kernel, parsed)
    name = {
        "conv": f"conv {kernel}",
        "conv1x1": "conv 1×1",
        "dwconv": f"depthwise conv {kernel}",
    }[layer.type]
    parts = [name]
    if layer.filters is not None:
        parts.append(f"{layer.filters} filter{'s' * (layer.filters > 1)}")
    if layer.stride is not None and layer.stride > 1:
        parts.append(f"stride {layer.stride}")
    parts += [word for word, on in (("batch norm", layer.bn), ("ReLU", layer.relu)) if on]
    return (f"max-pool {_window(2, parsed)}, " if layer.prepool else "") + ", ".join(parts)
