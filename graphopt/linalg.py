"""`tf.linalg`: products, norms, systems of equations and factors of matrices."""

from typing import TYPE_CHECKING
from typing import Any as _Any

from graphopt.ops.clipping import global_norm as global_norm
from graphopt.ops.decompositions import eigh as eigh
from graphopt.ops.decompositions import eigvalsh as eigvalsh
from graphopt.ops.decompositions import lstsq as lstsq
from graphopt.ops.decompositions import matrix_rank as matrix_rank
from graphopt.ops.decompositions import pinv as pinv
from graphopt.ops.decompositions import qr as qr
from graphopt.ops.decompositions import svd as svd
from graphopt.ops.diagonal import band_part as band_part
from graphopt.ops.diagonal import diag as diag
from graphopt.ops.diagonal import diag_part as diag_part
from graphopt.ops.diagonal import eye as eye
from graphopt.ops.diagonal import set_diag as set_diag
from graphopt.ops.diagonal import trace as trace
from graphopt.ops.einsum import einsum as einsum
from graphopt.ops.einsum import norm as norm
from graphopt.ops.einsum import tensordot as tensordot
from graphopt.ops.linear_systems import adjoint as adjoint
from graphopt.ops.linear_systems import cholesky as cholesky
from graphopt.ops.linear_systems import cholesky_solve as cholesky_solve
from graphopt.ops.linear_systems import det as det
from graphopt.ops.linear_systems import inv as inv
from graphopt.ops.linear_systems import logdet as logdet
from graphopt.ops.linear_systems import matrix_transpose as matrix_transpose
from graphopt.ops.linear_systems import slogdet as slogdet
from graphopt.ops.linear_systems import solve as solve
from graphopt.ops.linear_systems import triangular_solve as triangular_solve
from graphopt.ops.matmul import matmul as matmul
from graphopt.ops.matmul import matvec as matvec

if TYPE_CHECKING:
    from graphopt.ops.partitions import cross as cross


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> _Any:
        # Loaded when it is used.
        if name == "cross":
            from graphopt.ops.partitions import cross as found

            return found
        raise AttributeError(f"module 'tf.linalg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*(n for n in globals() if not n.startswith("_")), "cross"]
