"""`tf.gfile`: files and folders by the names of version 1."""

from graphopt.files.file_system import GFile as GFile
from graphopt.files.file_system import copy as _copy
from graphopt.files.file_system import exists as _exists
from graphopt.files.file_system import glob as _glob
from graphopt.files.file_system import isdir as _isdir
from graphopt.files.file_system import listdir as _listdir
from graphopt.files.file_system import makedirs as _makedirs
from graphopt.files.file_system import mkdir as _mkdir
from graphopt.files.file_system import remove as _remove
from graphopt.files.file_system import rename as _rename
from graphopt.files.file_system import rmtree as _rmtree
from graphopt.files.file_system import stat as _stat
from graphopt.files.file_system import walk as _walk

# An import by another name is private to type checkers.
FastGFile = GFile
Open = GFile
Copy = _copy
Exists = _exists
Glob = _glob
IsDirectory = _isdir
ListDirectory = _listdir
MakeDirs = _makedirs
MkDir = _mkdir
Remove = _remove
Rename = _rename
DeleteRecursively = _rmtree
Stat = _stat
Walk = _walk

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
