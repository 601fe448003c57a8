"""Layers: functions with weights that are made when the first input comes."""

from graphopt.keras.functional import Input as Input
from graphopt.keras.layers.base import Layer as Layer
from graphopt.keras.layers.core import Activation as Activation
from graphopt.keras.layers.core import Dense as Dense
from graphopt.keras.layers.core import Flatten as Flatten
