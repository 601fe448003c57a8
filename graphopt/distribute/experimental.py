"""`tf.distribute.experimental`: earlier names of what is in `tf.distribute`."""

from graphopt.distribute.strategies import (
    CentralStorageStrategy as CentralStorageStrategy,
)
from graphopt.distribute.strategies import (
    CommunicationImplementation as CommunicationImplementation,
)
from graphopt.distribute.strategies import CommunicationOptions as CommunicationOptions
from graphopt.distribute.strategies import (
    MultiWorkerMirroredStrategy as MultiWorkerMirroredStrategy,
)
from graphopt.distribute.strategies import (
    ParameterServerStrategy as ParameterServerStrategy,
)
from graphopt.distribute.strategies import TPUStrategy as TPUStrategy
from graphopt.parallel.extended import ValueContext as ValueContext

CollectiveCommunication = CommunicationImplementation
CollectiveHints = CommunicationOptions
