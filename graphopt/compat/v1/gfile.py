"""`tf.gfile`: files and folders by the names of version 1."""

from graphopt.files.file_system import GFile as FastGFile
from graphopt.files.file_system import GFile as GFile
from graphopt.files.file_system import GFile as Open
from graphopt.files.file_system import copy as Copy
from graphopt.files.file_system import exists as Exists
from graphopt.files.file_system import glob as Glob
from graphopt.files.file_system import isdir as IsDirectory
from graphopt.files.file_system import listdir as ListDirectory
from graphopt.files.file_system import makedirs as MakeDirs
from graphopt.files.file_system import mkdir as MkDir
from graphopt.files.file_system import remove as Remove
from graphopt.files.file_system import rename as Rename
from graphopt.files.file_system import rmtree as DeleteRecursively
from graphopt.files.file_system import stat as Stat
from graphopt.files.file_system import walk as Walk

__all__ = [
    "Copy",
    "DeleteRecursively",
    "Exists",
    "FastGFile",
    "GFile",
    "Glob",
    "IsDirectory",
    "ListDirectory",
    "MakeDirs",
    "MkDir",
    "Open",
    "Remove",
    "Rename",
    "Stat",
    "Walk",
]
