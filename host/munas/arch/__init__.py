"""Architectures: genomes, what they compute, random ones and their neighbours. Pure Python."""

from munas.arch.canonical import canonical, sha256
from munas.arch.channels import ChannelGroup, channel_groups, evenly_thinned, thinned
from munas.arch.genome import (
    Architecture,
    Block,
    Cnn1dArchitecture,
    CnnArchitecture,
    Layer,
    MlpArchitecture,
    Pooling,
    Shape,
)
from munas.arch.morphisms import Morphism, morphisms, random_morphism
from munas.arch.network import Network, Node, assemble
from munas.arch.sampling import Sampler, Sampling, Space, parse_shape, require_fit, sample

__all__ = [
    "Architecture",
    "Block",
    "ChannelGroup",
    "Cnn1dArchitecture",
    "CnnArchitecture",
    "Layer",
    "MlpArchitecture",
    "Morphism",
    "Network",
    "Node",
    "Pooling",
    "Sampler",
    "Sampling",
    "Shape",
    "Space",
    "assemble",
    "canonical",
    "channel_groups",
    "evenly_thinned",
    "morphisms",
    "parse_shape",
    "random_morphism",
    "require_fit",
    "sample",
    "sha256",
    "thinned",
]
