"""Decades, and what is too few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.errors import BadInputError
from munas.stats import TOO_FEW, by_decade, too_few


def test_too_few() -> None:
    assert TOO_FEW == 30
    assert too_few(29)
    assert not too_few(30)


@pytest.mark.parametrize("exponent", range(-12, 16))
def test_powers_of_ten_begin_their_decade(exponent: int) -> None:
    power = float(f"1e{exponent}")
    below = np.nextafter(power, 0)
    assert [decade.exponent for decade in by_decade([power])] == [exponent]
    assert [decade.exponent for decade in by_decade([below])] == [exponent - 1]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60))
def test_every_point_is_in_its_decade_once(x: list[int]) -> None:
    decades = by_decade(x)
    for decade in decades:
        assert all(len(str(x[index])) == decade.exponent + 1 for index in decade.indices)
        assert decade.n > 0
        assert decade.too_few == (decade.n < 30)
    assert sorted(i for decade in decades for i in decade.indices) == list(range(len(x)))
    exponents = [decade.exponent for decade in decades]
    assert exponents == sorted(set(exponents))


def test_zero_has_no_decade() -> None:
    with pytest.raises(BadInputError, match="above zero"):
        by_decade([1.0, 0.0])
