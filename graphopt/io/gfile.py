"""`tf.io.gfile`: files and folders."""

from graphopt.files.file_system import GFile as GFile
from graphopt.files.file_system import copy as copy
from graphopt.files.file_system import exists as exists
from graphopt.files.file_system import get_registered_schemes as get_registered_schemes
from graphopt.files.file_system import glob as glob
from graphopt.files.file_system import isdir as isdir
from graphopt.files.file_system import join as join
from graphopt.files.file_system import listdir as listdir
from graphopt.files.file_system import makedirs as makedirs
from graphopt.files.file_system import mkdir as mkdir
from graphopt.files.file_system import remove as remove
from graphopt.files.file_system import rename as rename
from graphopt.files.file_system import rmtree as rmtree
from graphopt.files.file_system import stat as stat
from graphopt.files.file_system import walk as walk
