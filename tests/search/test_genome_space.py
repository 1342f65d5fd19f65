"""The genome as named genes: every architecture of a space, and nothing else."""

from __future__ import annotations

from random import Random

import pytest

from munas.arch import Sampling, Space, canonical, sample
from munas.search.genome_space import Choice, GenomeSpace, Range

SHAPES = {"cnn": (28, 28, 1), "cnn1d": (64, 1, 3), "mlp": (8, 8, 1)}


def allowed_of(space: GenomeSpace) -> dict[str, Range | Choice]:
    """Every gene and its range."""
    found: dict[str, Range | Choice] = {}

    def ask(name: str, allowed: Range | Choice) -> object:
        assert name not in found
        found[name] = allowed
        return allowed.low if isinstance(allowed, Range) else allowed.values[0]

    space.decode(ask)
    return found


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("sampling", ["paper", "inclusive", "extended"])
@pytest.mark.parametrize("name", ["cnn", "cnn1d", "mlp"])
def test_decoding_gives_what_was_encoded(name: Space, sampling: Sampling, whole: bool):
    space = GenomeSpace(SHAPES[name], 10, name, sampling, whole)
    ranges = allowed_of(GenomeSpace(SHAPES[name], 10, name, sampling))
    for seed in range(25):
        drawn = canonical(sample(Random(seed), SHAPES[name], 10, space=name, sampling=sampling))
        genes = space.encode(drawn, Random(seed))
        assert genes.keys() == ranges.keys() if whole else genes.keys() <= ranges.keys()
        for gene in genes:
            allowed = ranges[gene]
            if isinstance(allowed, Range):
                assert genes[gene] in range(allowed.low, allowed.high + 1, allowed.step)
            else:
                assert genes[gene] in allowed.values
        assert space.decode(lambda gene, _, genes=genes: genes[gene]) == drawn


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("sampling", ["paper", "inclusive", "extended"])
def test_the_ends_of_all_ranges_are_architectures(end: str, sampling: Sampling):
    space = GenomeSpace((64, 1, 3), 6, "cnn1d", sampling)

    def ask(_: str, allowed: Range | Choice) -> object:
        if isinstance(allowed, Range):
            return getattr(allowed, end)
        return allowed.values[0 if end == "low" else -1]

    drawn = space.decode(ask)
    most = {"paper": 9}.get(sampling, 10)
    assert len(drawn.blocks) == (1 if end == "low" else most)  # type: ignore[attr-defined]


def test_silent_genes_follow_from_their_seed():
    space = GenomeSpace((28, 28, 1), 10)
    drawn = canonical(sample(Random(1), (28, 28, 1), 10))
    assert space.encode(drawn, Random(5)) == space.encode(drawn, Random(5))
    assert space.encode(drawn, Random(5)) != space.encode(drawn, Random(6))


def test_filters_of_a_join_beyond_the_sampling_are_cut_to_its_range():
    drawn = canonical(sample(Random(3), (28, 28, 1), 10, sampling="inclusive"))
    genes = GenomeSpace((28, 28, 1), 10, "cnn", "paper").encode(drawn, Random(0))
    assert genes["blocks"] <= 9 and all(  # type: ignore[operator]
        value <= 127
        for name, value in genes.items()
        if name.endswith(".filters")  # type: ignore[operator]
    )
