"""`tf.sparse`: tensors of which only some elements are kept."""

from graphopt.sparse.functions import add as add
from graphopt.sparse.functions import concat as concat
from graphopt.sparse.functions import expand_dims as expand_dims
from graphopt.sparse.functions import eye as eye
from graphopt.sparse.functions import fill_empty_rows as fill_empty_rows
from graphopt.sparse.functions import from_dense as from_dense
from graphopt.sparse.functions import map_values as map_values
from graphopt.sparse.functions import mask as mask
from graphopt.sparse.functions import reduce_max as reduce_max
from graphopt.sparse.functions import reduce_sum as reduce_sum
from graphopt.sparse.functions import reorder as reorder
from graphopt.sparse.functions import reset_shape as reset_shape
from graphopt.sparse.functions import reshape as reshape
from graphopt.sparse.functions import retain as retain
from graphopt.sparse.functions import segment_mean as segment_mean
from graphopt.sparse.functions import segment_sqrt_n as segment_sqrt_n
from graphopt.sparse.functions import segment_sum as segment_sum
from graphopt.sparse.functions import slice as slice
from graphopt.sparse.functions import softmax as softmax
from graphopt.sparse.functions import sparse_dense_matmul as sparse_dense_matmul
from graphopt.sparse.functions import split as split
from graphopt.sparse.functions import to_dense as to_dense
from graphopt.sparse.functions import to_indicator as to_indicator
from graphopt.sparse.functions import transpose as transpose
from graphopt.sparse.tensor import SparseTensor as SparseTensor
