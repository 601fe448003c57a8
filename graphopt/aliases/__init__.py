"""Programs that say `import tensorflow`, unchanged.

A program is written against a name and a version. `usage` reads from its text which names
it uses, `version` decides from them which TensorFlow it was written for, `finder` makes
imports of `tensorflow` and `keras` end here, `internals` says where the modules of
`tensorflow.python`, which programs reach into, have their names from, and `missing` says
what a name is that is not there. An installed TensorFlow is not touched: it is only not
found while the finder is in place.
"""

from graphopt.aliases.finder import as_tensorflow as as_tensorflow
from graphopt.aliases.finder import install_as_tensorflow as install_as_tensorflow
