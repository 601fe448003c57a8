"""`tf.linalg`: products and norms."""

from graphopt.ops.clipping import global_norm as global_norm
from graphopt.ops.matmul import matmul as matmul
from graphopt.ops.matmul import matvec as matvec
