"""What may be fitted together, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from munas.errors import BadInputError
from munas.latency.predict import UnusableError, example_of, examples_of


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("source", "silicon"),
        ("engine", "aot"),
        ("clock_hz", 80_000_000),
        ("flags", "-Os"),
        ("compiler", "clang"),
        ("engine_revision", "r2"),
        ("kernels", "reference"),
        ("board", "emulated_stm32f405"),
    ],
)
def test_mixed_conditions_are_refused_by_name(name: str, other: Any, law: Any, drawn: Any) -> None:
    first, second = drawn(2)
    pairs = [(first, law.measure(first)), (second, law.measure(second, **{name: other}))]
    with pytest.raises(BadInputError, match=name) as refused:
        examples_of(pairs)
    assert str(other) in str(refused.value)


def test_units_may_differ(law: Any, drawn: Any) -> None:
    first, second = drawn(2)
    found = examples_of([(first, law.measure(first)), (second, law.measure(second, unit="u2"))])
    assert found.units == ("u1", "u2")


def test_another_architecture_s_measurement_is_refused(law: Any, drawn: Any) -> None:
    first, *others = drawn(10)
    for other in others:
        with pytest.raises(UnusableError):
            example_of(first, law.measure(other))


@pytest.mark.parametrize("change", [{"name": "PAD"}, {"macs": 1}])
def test_an_operator_that_does_not_align_is_named(
    change: dict[str, Any], law: Any, drawn: Any
) -> None:
    (architecture,) = drawn(1)
    measurement = law.measure(architecture)
    measurement["operators"][-1] |= change
    index = len(measurement["operators"]) - 1
    with pytest.raises(UnusableError, match=f"Operator {index} "):
        example_of(architecture, measurement)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"operators": []}, "no cycles of its operators"),
        ({"error": {"name": "timeout"}, "cycles": None}, "failed"),
        ({"source": "predicted"}, "not measured"),
        ({"source": "mac"}, "not measured"),
    ],
)
def test_what_teaches_nothing_is_refused(
    change: dict[str, Any], said: str, law: Any, drawn: Any
) -> None:
    (architecture,) = drawn(1)
    with pytest.raises(UnusableError, match=said):
        example_of(architecture, law.measure(architecture, **change))


def test_a_network_counts_once_and_the_last_measurement_stands(law: Any, drawn: Any) -> None:
    first, second = drawn(2)
    again = law.measure(first)
    again["cycles"] += 1
    found = examples_of(
        [(first, law.measure(first)), (second, law.measure(second)), (first, again)]
    )
    assert (len(found.items), found.repeated) == (2, 1)
    assert found.items[0].cycles == again["cycles"]


def test_the_hash_is_the_data_s_whatever_their_order(law: Any, drawn: Any) -> None:
    pairs = [(each, law.measure(each)) for each in drawn(4)]
    assert examples_of(pairs).sha256() == examples_of(pairs[::-1]).sha256()
    assert examples_of(pairs).sha256() != examples_of(pairs[1:]).sha256()


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(BadInputError, match="no measurement"):
        examples_of([])
