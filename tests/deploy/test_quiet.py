from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from munas.deploy.quiet import redirected


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_descriptors_themselves_are_moved(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = run(
        f"""
        import ctypes, os, sys
        from pathlib import Path
        from munas.deploy.quiet import redirected
        c = ctypes.CDLL(None)
        print("before")
        with redirected(Path({str(log)!r})) as screen:
            print("python out")
            print("python err", file=sys.stderr)
            os.write(1, b"descriptor 1\\n")
            os.write(2, b"descriptor 2\\n")
            c.puts(b"c, buffered")
            os.system("echo a child")
            print("to the person", file=screen.err)
            print("the document", file=screen.out)
        print("after")
        c.puts(b"c, after")
        c.fflush(None)
        """
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "before\nthe document\nafter\nc, after\n"
    assert result.stderr == "to the person\n"
    lines = sorted(log.read_text().splitlines())
    assert lines == sorted(
        ["python out", "python err", "descriptor 1", "descriptor 2", "c, buffered", "a child"]
    )


def test_restored_after_an_exception_and_nested(tmp_path: Path, capfd) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    with redirected(outer):
        with pytest.raises(RuntimeError), redirected(inner):
            os.write(1, b"inner\n")
            raise RuntimeError
        os.write(1, b"outer\n")
    os.write(1, b"screen\n")
    assert capfd.readouterr().out == "screen\n"
    assert (outer.read_text(), inner.read_text()) == ("outer\n", "inner\n")


def test_what_is_there_already_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("earlier\n")
    before = sorted(Path("/proc/self/fd").iterdir())
    with redirected(log):
        os.write(1, b"later\n")
    assert log.read_text() == "earlier\nlater\n"
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_log_that_cannot_be_opened_leaves_all_as_it_was(tmp_path: Path, capfd) -> None:
    with pytest.raises(OSError), redirected(tmp_path / "none" / "log"):
        pass
    os.write(1, b"screen\n")
    assert capfd.readouterr().out == "screen\n"


@pytest.mark.slow
def test_tensorflow_imports_without_a_word(tmp_path: Path) -> None:
    home = tmp_path / ".keras"
    home.mkdir()
    (home / "keras.json").write_text(
        '{"backend": "jax", "image_data_format": "channels_first", "floatx": "float32"}'
    )
    result = run(
        """
        import os
        from munas.deploy.quiet import silence_tensorflow
        silence_tensorflow()
        silence_tensorflow()
        import keras, tensorflow as tf
        tf.function(lambda x: x + 1)(tf.constant(1))
        print(keras.backend.backend(), keras.config.image_data_format())
        print(os.environ["CUDA_VISIBLE_DEVICES"], os.environ["TF_CPP_MIN_LOG_LEVEL"])
        """,
        KERAS_HOME=str(home),
        CUDA_VISIBLE_DEVICES="7",
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout == "tensorflow channels_last\n7 3\n"
