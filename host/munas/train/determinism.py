"""Makes TensorFlow give the same bits for the same seed, on the same machine."""

from __future__ import annotations

from munas.deploy.quiet import silence_tensorflow
from munas.errors import InfrastructureError


def configure_determinism(seed: int = 0) -> None:
    """One thread, deterministic kernels, every generator seeded: a worker's first call.

    Must come before TensorFlow has computed anything in this process; more threads would add
    floating-point sums in another order from run to run. A second call only seeds again. Raises
    InfrastructureError when TensorFlow is already running with other settings.
    """
    silence_tensorflow()
    import keras
    import tensorflow as tf

    threading = tf.config.threading
    try:
        if threading.get_intra_op_parallelism_threads() != 1:
            threading.set_intra_op_parallelism_threads(1)
        if threading.get_inter_op_parallelism_threads() != 1:
            threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise InfrastructureError(
            f"TensorFlow was already running before it could be made deterministic: {error}",
            "Train in a process of its own, and configure it first.",
        ) from None
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed % 2**32)
