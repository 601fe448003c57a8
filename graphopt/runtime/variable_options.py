"""How variables are kept on several machines; accepted: there is one."""

from __future__ import annotations

import enum


class VariableSynchronization(enum.Enum):
    """When copies of a variable are made equal.

    Source: `tf.VariableSynchronization`.
    """

    AUTO, NONE, ON_WRITE, ON_READ = range(4)


class VariableAggregation(enum.Enum):
    """How the writes of copies are put together.

    Source: `tf.VariableAggregation`.
    """

    NONE, SUM, MEAN, ONLY_FIRST_REPLICA = range(4)
