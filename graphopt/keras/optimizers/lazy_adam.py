"""LazyAdam: Adam that leaves rows alone which have no gradient."""

from __future__ import annotations

from typing import Any

from graphopt.keras.optimizers.adam import Adam
from graphopt.keras.optimizers.hyperparameters import EPSILON


class LazyAdam(Adam):
    """Adam that updates only the rows that a sparse gradient names.

    The equation is that of `Adam`, for w, m and v of those rows; the moments of all other
    rows stay as they are, and a step costs what the rows cost. With a dense gradient it
    is Adam.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in [0, 1], tensor or callable: decay of the first moment.
      beta_2: Number in [0, 1], tensor or callable: decay of the second moment.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      amsgrad: Whether to use the largest second moment.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, table = tf.keras.optimizers.LazyAdam(0.1), tf.Variable([[1.0], [2.0]])
    >>> rows = tf.IndexedSlices(tf.constant([[3.0]]), tf.constant([1]), [2, 1])
    >>> _ = opt.apply_gradients([(rows, table)])
    >>> print(opt.get_slot(table, "m").numpy().round(3))
    [[0. ]
     [0.3]]

    Source: `tfa.optimizers.LazyAdam`; `torch.optim.SparseAdam`.
    """

    sparse_rows = "touched"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: float | None = EPSILON,
        amsgrad: bool = False,
        name: str = "LazyAdam",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, name, **kwargs
        )
