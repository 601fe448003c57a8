"""`tf.linalg`: products and norms."""

from graphopt.ops.clipping import global_norm as global_norm
from graphopt.ops.diagonal import band_part as band_part
from graphopt.ops.diagonal import diag as diag
from graphopt.ops.diagonal import diag_part as diag_part
from graphopt.ops.diagonal import eye as eye
from graphopt.ops.diagonal import set_diag as set_diag
from graphopt.ops.diagonal import trace as trace
from graphopt.ops.einsum import einsum as einsum
from graphopt.ops.einsum import norm as norm
from graphopt.ops.einsum import tensordot as tensordot
from graphopt.ops.matmul import matmul as matmul
from graphopt.ops.matmul import matvec as matvec
