"""`keras.utils.vis_utils`: pictures of models, under the module's name of earlier versions."""

from graphopt.keras.utils.plotting import model_to_dot as model_to_dot
from graphopt.keras.utils.plotting import plot_model as plot_model
