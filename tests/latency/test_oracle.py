"""What is refused before a model gets onto a board says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from munas.deploy.model_file import load_model, operator_names, save_model
from munas.errors import ConvertError
from munas.latency.oracle import check_model

SMALL = Path(__file__).parents[1] / "data" / "small.tflite"


@pytest.mark.parametrize(("kind", "told"), [("SHAPE", True), ("TANH", False)])
def test_an_operator_that_asks_for_the_shape(kind: str, told: bool) -> None:
    model = load_model(SMALL.read_bytes(), "small")
    codes = {name: code for code, name in operator_names().items()}
    for code in model.operatorCodes:
        code.builtinCode = code.deprecatedBuiltinCode = codes[kind]
    with pytest.raises(ConvertError, match=f"operator {kind}, which no engine") as fault:
        check_model("small", save_model(model))
    assert ("batch_size=1" in fault.value.mend) == told
    assert "CONV_2D" in fault.value.mend
