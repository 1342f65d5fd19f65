"""Channel groups: which channels of a network can only be removed together.

A depthwise convolution, a pooling or a padding hands on the channels of its input; an addition
takes the same channels of all its terms. So the producers of one addition, and everything between
them and it, share one group: a channel is removed from all of them or from none, and what is left
is again an architecture of the space, with fewer filters and units. The channels of the input and
the logits are nobody's to remove. This module knows neither weights nor why a channel goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from munas.arch.canonical import canonical
from munas.arch.genome import MIN_UNITS, Architecture, CnnArchitecture
from munas.arch.network import Network, Place, assemble
from munas.errors import BadInputError


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that stand or fall together.

    `producers` are the convolutions and dense layers that make them, `carriers` the depthwise
    convolutions that they pass through, `bearers` these and every other node whose output has them
    (indices of nodes). At least `least` of the `width` channels are kept.
    """

    producers: tuple[int, ...]
    carriers: tuple[int, ...]
    bearers: tuple[int, ...]
    width: int
    least: int


def channel_groups(network: Network) -> tuple[ChannelGroup, ...]:
    """The groups of `network` from which channels can be removed, by their first producer."""
    home = _homes(network)
    fixed = {home[0], home[-1]}
    members: dict[int, list[int]] = {}
    for index, node in enumerate(network.nodes):
        if node.kind != "flatten" and home[index] not in fixed:
            members.setdefault(home[index], []).append(index)
    groups = []
    for indices in members.values():
        first = network.nodes[indices[0]]
        groups.append(
            ChannelGroup(
                tuple(i for i in indices if network.nodes[i].kind in ("conv", "dense")),
                tuple(i for i in indices if network.nodes[i].kind == "dwconv"),
                tuple(indices),
                first.shape[2],
                MIN_UNITS if first.kind == "dense" else 1,
            )
        )
    return tuple(sorted(groups, key=lambda group: group.producers[0]))


def _homes(network: Network) -> list[int]:
    """For each node, the first node whose channels are its own (union-find)."""
    home = list(range(len(network.nodes)))

    def find(index: int) -> int:
        while home[index] != index:
            index = home[index]
        return index

    for index, node in enumerate(network.nodes):
        if node.kind in ("dwconv", "maxpool", "avgpool", "pad", "add"):
            for source in node.inputs:
                first, second = sorted((find(source), find(index)))
                home[second] = first
    return [find(index) for index in range(len(home))]


def thinned(architecture: Architecture, kept: Sequence[int]) -> Architecture:
    """`architecture` with `kept[i]` channels in its i-th group, in canonical form.

    The network that it computes has the nodes of the original's, one for one. Raises BadInputError
    where a count is out of its group's range.
    """
    network = assemble(architecture)
    groups = channel_groups(network)
    for index, (group, count) in enumerate(zip(groups, kept, strict=True)):
        if not group.least <= count <= group.width:
            raise BadInputError(
                f"Channel group {index} keeps {group.least} to {group.width} channels, not {count}."
            )
    width = {
        node: count for group, count in zip(groups, kept, strict=True) for node in group.producers
    }
    return canonical(_with_filters(_with_units(architecture, network, width), network, width))


def _with_units(
    architecture: Architecture, network: Network, width: dict[int, int]
) -> Architecture:
    hidden = [index for index, node in enumerate(network.nodes) if node.kind == "dense"][:-1]
    return replace(architecture, dense=tuple(width[index] for index in hidden))


def _with_filters(
    architecture: Architecture, network: Network, width: dict[int, int]
) -> Architecture:
    if not isinstance(architecture, CnnArchitecture):
        return architecture
    at: dict[Place, int] = {}
    for index, node in enumerate(network.nodes):
        if node.kind == "conv" and node.place is not None and index in width:
            at.setdefault(node.place, width[index])  # a depthwise tail has a conv behind it
    blocks = tuple(
        replace(
            block,
            layers=tuple(
                layer
                if layer.filters is None or (number, position) not in at
                else replace(layer, filters=at[number, position])
                for position, layer in enumerate(block.layers)
            ),
        )
        for number, block in enumerate(architecture.blocks)
    )
    return replace(architecture, blocks=blocks)


def evenly_thinned(architecture: Architecture, sparsity: float) -> Architecture:
    """`architecture` without the share `sparsity` of each group's channels, as far as it goes.

    What pruning to `sparsity` is taken to give before anything is trained: pruning takes more of
    some groups and less of others, so its costs are near these, not equal.
    """
    groups = channel_groups(assemble(architecture))
    counts = [max(group.least, round(group.width * (1 - sparsity))) for group in groups]
    return thinned(architecture, counts)
