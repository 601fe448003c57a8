from graphopt.ops import creation, elementwise, reduction, matmul, shaping, nn, state, fused
from graphopt.runtime import eager, session, variable
from graphopt.ops.creation import *
from graphopt.ops.elementwise import *
from graphopt.ops.reduction import *
from graphopt.ops.matmul import *
from graphopt.graph.graph import Graph
from graphopt.runtime.session import Session
from graphopt.runtime.variable import Variable
from graphopt.autodiff.gradients import gradients
from graphopt.autodiff.tape import GradientTape
from graphopt.dtypes import *
