"""The two compiled functions of a training: one step on a batch, and counting right answers.

Each takes uint8 images and normalises them itself, so that data stay small until they are used.
They are traced once a network, when they are made, for any batch size. What happens over epochs is
not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from munas.experiment.schema import Optimizer
from munas.train.datasets.dataset import Normalisation, Split
from munas.train.pruning import Masks
from munas.train.teacher import Teacher

if TYPE_CHECKING:
    import keras

# Images at once where no gradient is needed. Fixed, since sums may depend on it in the last bit.
EVALUATION_BATCH = 512


class Steps:
    """The compiled functions over one model, and the optimizer's state.

    SGDW and AdamW decay as TensorFlow Addons' optimizers of these names do, with which the paper
    trains: every trainable variable, biases and batch normalisation's included, first shrinks by
    `weight_decay` times itself, *whatever the learning rate*; then comes the gradient step. Keras's
    own `weight_decay` is further multiplied by the learning rate and would be a hundred times
    weaker at the paper's settings, so it is not used. (A schedule leaves the decay as it is.)
    """

    def __init__(
        self,
        model: keras.Model,
        normalisation: Normalisation,
        optimizer: Optimizer,
        masks: Masks | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self._teacher = teacher
        self._optimizer = _keras_optimizer(optimizer)
        self._optimizer.build(model.trainable_variables)
        self._step = _compiled_step(
            model, normalisation, self._optimizer, optimizer.weight_decay, masks, teacher
        )
        self._count = _compiled_count(model, normalisation)

    def set_learning_rate(self, rate: float) -> None:
        self._optimizer.learning_rate = rate

    def step(self, images: Any, labels: Any, chosen: Any) -> Any:
        """One update on the training images of these indices, as augmented.

        Returns the batch's summed loss (a scalar tensor, not waited for).
        """
        if self._teacher is None:
            return self._step(images, labels)
        return self._step(images, labels, self._teacher.logits[chosen])

    def accuracy(self, split: Split) -> float:
        """The share of right answers with the weights as they are."""
        return _accuracy(self._count, split)


def evaluate(model: keras.Model, split: Split, normalisation: Normalisation) -> float:
    """The float model's accuracy on a split (compiles: some tenths of a second)."""
    return _accuracy(_compiled_count(model, normalisation), split)


def _accuracy(count: Any, split: Split) -> float:
    right = sum(
        int(count(split.images[i : i + EVALUATION_BATCH], split.labels[i : i + EVALUATION_BATCH]))
        for i in range(0, len(split), EVALUATION_BATCH)
    )
    return right / len(split)


def _keras_optimizer(settings: Optimizer) -> Any:
    import keras

    if settings.name == "adamw":
        # Epsilon and betas are Keras's defaults, as they were in the paper's code.
        return keras.optimizers.Adam(settings.learning_rate)
    return keras.optimizers.SGD(settings.learning_rate, momentum=float(settings.momentum))


def _inputs(images: Any, normalisation: Normalisation) -> Any:
    import tensorflow as tf

    return tf.cast(images, tf.float32) * normalisation.gain + normalisation.offset


def _signature(model: keras.Model) -> list[Any]:
    import tensorflow as tf

    images = tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)
    return [images, tf.TensorSpec([None], tf.int32)]


def losses(logits: Any, labels: Any) -> Any:
    """Cross-entropy of each image: of one logit (two classes), or of one a class."""
    import tensorflow as tf

    if logits.shape[1] == 1:
        wanted = tf.cast(labels, tf.float32)
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits[:, 0])
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _compiled_step(
    model: keras.Model,
    normalisation: Normalisation,
    optimizer: Any,
    weight_decay: float,
    masks: Masks | None,
    teacher: Teacher | None,
) -> Any:
    import tensorflow as tf

    variables = [variable.value for variable in model.trainable_variables]
    closings = masks.variables if masks else []
    signature = _signature(model)
    if teacher is not None:
        signature.append(tf.TensorSpec([None, model.output_shape[-1]], tf.float32))

    # Keras's layers need no AutoGraph, and its rewriting costs more than the tracing.
    @tf.function(autograph=False, input_signature=signature)  # type: ignore[untyped-decorator]
    def step(images: Any, labels: Any, *answers: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(_inputs(images, normalisation), training=True)
            data_loss = tf.reduce_mean(losses(logits, labels))
            if teacher is not None:
                data_loss = data_loss + teacher.loss(logits, *answers)
            loss = tf.add_n([data_loss, *model.losses])
        gradients = tape.gradient(loss, [*variables, *closings])
        if weight_decay:
            for variable in variables:
                variable.assign_sub(variable * weight_decay)
        optimizer.apply(gradients[: len(variables)])
        if masks is not None:
            masks.observe(gradients[len(variables) :])
        return loss * tf.cast(tf.shape(labels)[0], tf.float32)

    step.get_concrete_function()
    return step


def _compiled_count(model: keras.Model, normalisation: Normalisation) -> Any:
    """A function of images and labels that counts how many the model gets right."""
    import tensorflow as tf

    @tf.function(autograph=False, input_signature=_signature(model))  # type: ignore[untyped-decorator]
    def count(images: Any, labels: Any) -> Any:
        logits = model(_inputs(images, normalisation), training=False)
        if logits.shape[1] == 1:
            answers = tf.cast(logits[:, 0] > 0, tf.int32)
        else:
            answers = tf.argmax(logits, axis=1, output_type=tf.int32)
        return tf.reduce_sum(tf.cast(answers == labels, tf.int32))

    count.get_concrete_function()
    return count
