"""`tf.metrics` of TensorFlow 1: values that add up over the batches of a run.

Each function returns two tensors: the value of what was added up before the run, and an op
that adds a batch and returns the value with it. Sums are kept in variables of the collections
`LOCAL_VARIABLES` and `METRIC_VARIABLES`, which `tf.local_variables_initializer()` sets to 0
and checkpoints leave out.

A metric is written once, as what a batch adds to which variables and how a value is computed
from them (`base.accumulate`); the value and the update are the same function of the variables
before and after.
"""

from graphopt.compat.v1.metrics.counts import false_negatives as false_negatives
from graphopt.compat.v1.metrics.counts import (
    false_negatives_at_thresholds as false_negatives_at_thresholds,
)
from graphopt.compat.v1.metrics.counts import false_positives as false_positives
from graphopt.compat.v1.metrics.counts import (
    false_positives_at_thresholds as false_positives_at_thresholds,
)
from graphopt.compat.v1.metrics.counts import precision as precision
from graphopt.compat.v1.metrics.counts import (
    precision_at_thresholds as precision_at_thresholds,
)
from graphopt.compat.v1.metrics.counts import recall as recall
from graphopt.compat.v1.metrics.counts import (
    recall_at_thresholds as recall_at_thresholds,
)
from graphopt.compat.v1.metrics.counts import true_negatives as true_negatives
from graphopt.compat.v1.metrics.counts import (
    true_negatives_at_thresholds as true_negatives_at_thresholds,
)
from graphopt.compat.v1.metrics.counts import true_positives as true_positives
from graphopt.compat.v1.metrics.counts import (
    true_positives_at_thresholds as true_positives_at_thresholds,
)
from graphopt.compat.v1.metrics.curves import auc as auc
from graphopt.compat.v1.metrics.curves import (
    sensitivity_at_specificity as sensitivity_at_specificity,
)
from graphopt.compat.v1.metrics.curves import (
    specificity_at_sensitivity as specificity_at_sensitivity,
)
from graphopt.compat.v1.metrics.means import accuracy as accuracy
from graphopt.compat.v1.metrics.means import mean as mean
from graphopt.compat.v1.metrics.means import mean_absolute_error as mean_absolute_error
from graphopt.compat.v1.metrics.means import (
    mean_cosine_distance as mean_cosine_distance,
)
from graphopt.compat.v1.metrics.means import mean_iou as mean_iou
from graphopt.compat.v1.metrics.means import (
    mean_per_class_accuracy as mean_per_class_accuracy,
)
from graphopt.compat.v1.metrics.means import mean_relative_error as mean_relative_error
from graphopt.compat.v1.metrics.means import mean_squared_error as mean_squared_error
from graphopt.compat.v1.metrics.means import mean_tensor as mean_tensor
from graphopt.compat.v1.metrics.means import percentage_below as percentage_below
from graphopt.compat.v1.metrics.means import (
    root_mean_squared_error as root_mean_squared_error,
)
from graphopt.compat.v1.metrics.ranked import (
    average_precision_at_k as average_precision_at_k,
)
from graphopt.compat.v1.metrics.ranked import precision_at_k as precision_at_k
from graphopt.compat.v1.metrics.ranked import precision_at_top_k as precision_at_top_k
from graphopt.compat.v1.metrics.ranked import recall_at_k as recall_at_k
from graphopt.compat.v1.metrics.ranked import recall_at_top_k as recall_at_top_k
from graphopt.compat.v1.metrics.ranked import (
    sparse_average_precision_at_k as sparse_average_precision_at_k,
)
from graphopt.compat.v1.metrics.ranked import (
    sparse_precision_at_k as sparse_precision_at_k,
)
