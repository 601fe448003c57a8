"""Which MPI is here, and how its own launcher starts ranks.

The implementations have the same `mpiexec -n 4 program` and differ in everything else:
what root may do, whether each rank is bound to one core, how output is told apart, how an
environment comes to other hosts. What a program needs of that stands here, once for each.

An MPI library and the mpiexec of another one do not notice each other: each process then
is a world of its own. So it is the library that decides. mpi4py is asked which one it
loads, in a process that does not start it, and the launcher is the one that belongs to it.
"""

from __future__ import annotations

import enum
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from graphopt.parallel.mpi import SETTINGS

__all__ = [
    "MPIEXEC",
    "Host",
    "Implementation",
    "Launcher",
    "LauncherError",
    "Library",
    "find_launcher",
    "find_library",
    "read_hosts",
]

MPIEXEC: Final = "GRAPHOPT_MPIEXEC"
"""The variable that names an mpiexec in place of the one that is found."""

INSTALL: Final = 'pip install "graphopt[mpi]"'
# No MPI answers the question for its version in more than this.
_PATIENCE: Final = 30.0
_INFINIBAND: Final = Path("/sys/class/infiniband")
# Without `initialize` the library is loaded and not started.
_ASK_MPI4PY: Final = """
import json, mpi4py
mpi4py.rc.initialize = mpi4py.rc.finalize = False
from mpi4py import MPI
with open("/proc/self/maps") as maps:
    files = {line.split()[-1] for line in maps if "/libmpi" in line}
print(json.dumps([mpi4py.__version__, MPI.Get_library_version(), sorted(files)]))
"""
# Of other hosts, or of this one alone.
_STAY_HERE: Final = re.compile(
    r"(?:PMI|PMIX|PRTE|SLURM|SSH|XDG|BASH|HYDRA|MPI)_|DBUS_|LS_COLORS$|DISPLAY$|"
    r"(?:HOME|HOSTNAME|LOGNAME|MAIL|OLDPWD|PWD|SHELL|SHLVL|TERM|TMPDIR|USER|_)$|"
    r"OMPI_(?!MCA)"
)


class LauncherError(Exception):
    """There is no MPI, or no launcher that fits it."""


class Implementation(enum.Enum):
    """Whose library or launcher it is; the value is its name."""

    OPEN_MPI = "Open MPI"
    MPICH = "MPICH"
    INTEL = "Intel MPI"


# What stands in the version of a library or launcher, more special ones first.
_SIGNS: Final = (
    ("Intel(R) MPI", Implementation.INTEL),
    ("Open MPI", Implementation.OPEN_MPI),
    ("OpenRTE", Implementation.OPEN_MPI),
    ("PRRTE", Implementation.OPEN_MPI),
    ("HYDRA", Implementation.MPICH),
    ("MPICH", Implementation.MPICH),
)


def identify(text: str) -> Implementation | None:
    """Returns whose version a text is; None if nothing in it says that.

    >>> identify("mpiexec (Open MPI) 5.0.11").value
    'Open MPI'
    """
    for sign, implementation in _SIGNS:
        if sign in text:
            return implementation
    return None


@dataclass(frozen=True)
class Library:
    """The MPI library that mpi4py loads.

    Attributes:
      implementation: Whose it is; None if it is another one.
      version: Its name and version, on one line.
      file: Where it is; "" if that is unknown.
      mpi4py: The version of mpi4py.
    """

    implementation: Implementation | None
    version: str
    file: str
    mpi4py: str


@dataclass(frozen=True)
class Host:
    """A machine, and how many ranks it takes."""

    name: str
    slots: int


def read_hosts(text: str) -> list[Host]:
    """Reads names of hosts with numbers of ranks.

    Raises:
      ValueError: It is something else.

    >>> read_hosts("a:2,b")
    [Host(name='a', slots=2), Host(name='b', slots=1)]
    """
    hosts = []
    for part in text.split(","):
        name, colon, slots = part.strip().rpartition(":")
        if not colon:
            name, slots = slots, "1"
        # A name goes to ssh, for which one with a dash in front is an option.
        if not re.fullmatch(r"[\w.]([\w.@-]*\w)?", name) or not slots.isdecimal():
            raise ValueError(f"got {part.strip()!r}; expected names as in a:2,b:2")
        if not int(slots):
            raise ValueError(f"{name} is to take no rank")
        hosts.append(Host(name, int(slots)))
    return hosts


@dataclass(frozen=True)
class Launcher:
    """A library and the mpiexec that belongs to it.

    Attributes:
      library: The library.
      mpiexec: The file.
      version: The first line with a version that it prints.
    """

    library: Library
    mpiexec: str
    version: str

    @property
    def implementation(self) -> Implementation:
        """Whose it is."""
        found = self.library.implementation
        assert found is not None
        return found

    @cached_property
    def is_old(self) -> bool:
        """Whether it is an Open MPI before 5, whose options were others."""
        found = re.search(r"\(Open MPI\) (\d+)", self.version)
        return found is not None and int(found[1]) < 5

    @cached_property
    def survives_failures(self) -> bool:
        """Whether ranks are told of one that died (ULFM) and can go on."""
        if self.implementation is not Implementation.OPEN_MPI or self.is_old:
            return False
        info = Path(self.mpiexec).with_name("ompi_info")
        text = _ask([str(info), "--parsable"]) if info.is_file() else ""
        return "options:ft_mpi_support:yes" in text

    @cached_property
    def tag(self) -> re.Pattern[bytes]:
        """What stands before each piece of output; its group is the rank."""
        if self.implementation is not Implementation.OPEN_MPI:
            return re.compile(rb"\x02(\d+)\x03")
        end = rb"" if self.is_old else rb" "
        return re.compile(rb"\[[\w@.-]+,(\d+)\]<std(?:out|err)>:" + end)

    def command(
        self,
        ranks: int,
        program: list[str],
        *,
        hosts: list[Host] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Returns the command that starts ranks.

        Args:
          ranks: How many.
          program: What each of them runs, with its arguments.
          hosts: Where; None for this machine.
          environment: What ranks on other hosts are to find in theirs.

        Returns:
          The command. Its output has tags, for which see `tag`.
        """
        words = [self.mpiexec]
        names = sorted(filter(_travels, environment or {}))
        if self.implementation is Implementation.OPEN_MPI:
            if self.survives_failures:
                words += ["--with-ft", "ulfm"]
            # Open MPI counts cores as slots, and binds two ranks to a core each.
            words += ["--map-by", ":oversubscribe", "--bind-to", "none"]
            words += ["--tag-output"] if self.is_old else ["--output", "tag"]
            if hosts:
                words += ["--host", ",".join(f"{h.name}:{h.slots}" for h in hosts)]
                words += [word for name in names for word in ("-x", name)]
        else:
            words += ["-prepend-pattern", "\x02%r\x03"]
            if hosts:
                # Its processes there get the whole environment of this one.
                words += ["-hosts", ",".join(f"{h.name}:{h.slots}" for h in hosts)]
        return [*words, "-n", str(ranks), *program]

    def environment(self, given: Mapping[str, str], *, crowded: bool) -> dict[str, str]:
        """Returns what mpiexec and the ranks find in their environment.

        Args:
          given: That of this process, which has its way where it says something.
          crowded: Whether there are as many ranks as cores on a machine, or more.
        """
        wanted: dict[str, str] = {}
        if self.implementation is Implementation.OPEN_MPI:
            if os.geteuid() == 0:
                # Containers run as root; Open MPI wants to be told twice.
                for prefix in ("OMPI", "PRTE"):
                    wanted[f"{prefix}_ALLOW_RUN_AS_ROOT"] = "1"
                    wanted[f"{prefix}_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
            wanted |= SETTINGS | self._parameters(crowded)
        elif self.implementation is Implementation.INTEL:
            wanted["I_MPI_PIN"] = "0"
        return {**wanted, **given}

    def _parameters(self, crowded: bool) -> dict[str, str]:
        parameters: dict[str, str] = {}
        if not has_infiniband():
            # Looking for fast networks takes a second of each start.
            parameters |= {"btl": "^ofi,uct", "pml": "ob1", "osc": "^ucx"}
        if crowded:
            # Who waits would take the core from those for whom it waits.
            parameters["mpi_yield_when_idle"] = "1"
        chosen = _parameters_of_user()
        return {
            f"OMPI_MCA_{name}": value
            for name, value in parameters.items()
            if name not in chosen
        }


def has_infiniband() -> bool:
    """Returns whether this machine has a network that is not Ethernet."""
    return _INFINIBAND.is_dir() and any(_INFINIBAND.iterdir())


def _travels(name: str) -> bool:
    return name.isidentifier() and not _STAY_HERE.match(name)


def _parameters_of_user() -> set[str]:
    """Returns what the user's file for Open MPI sets."""
    file = Path.home() / ".openmpi" / "mca-params.conf"
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.partition("=")[0].strip() for line in lines if "=" in line}


def _ask(command: list[str]) -> str:
    """Returns all that a command prints; nothing if it cannot be run."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def find_library() -> Library:
    """Asks mpi4py which library it loads; neither is loaded into this process.

    Raises:
      LauncherError: One of them is missing.
    """
    done = subprocess.run(
        [sys.executable, "-c", _ASK_MPI4PY],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it ended without a message"]
        what = (
            "mpi4py is not installed"
            if "No module named 'mpi4py'" in lines[-1]
            else f"mpi4py finds no MPI library ({lines[-1]})"
        )
        raise LauncherError(
            f"several ranks need mpi4py and an MPI library, but {what}; "
            f"{INSTALL} brings mpi4py and Open MPI"
        )
    binding, version, files = json.loads(done.stdout)
    return Library(
        identify(version), _shorten(version), files[0] if files else "", binding
    )


def _shorten(version: str) -> str:
    """Returns name and number of a library, whose text may have many lines.

    >>> _shorten("Open MPI v5.0.11, package: Open MPI x@y Distribution, ident: 5.0.11")
    'Open MPI 5.0.11'
    >>> _shorten("MPICH Version:      5.0.2\\nMPICH Release date: ...")
    'MPICH 5.0.2'
    """
    line = version.strip("\0\n ").partition("\n")[0].partition(",")[0]
    line = re.sub(r"\s*Version:?\s*|\s+v(?=\d)", " ", line)
    return re.sub(r"\s+", " ", line).strip()


def find_launcher() -> Launcher:
    """Finds the mpiexec that belongs to the library that mpi4py loads.

    `GRAPHOPT_MPIEXEC` names another one, which has to fit too.

    Raises:
      LauncherError: There is no MPI, or no mpiexec that fits.
    """
    library = find_library()
    if library.implementation is None:
        raise LauncherError(
            f"mpi4py loads {library.version}, whose launcher is not known here; start "
            "the ranks with it: mpiexec -n 4 python -m graphopt run script.py"
        )
    name = library.implementation.value
    given = os.environ.get(MPIEXEC, "")
    if given:
        file = shutil.which(given)
        if file is None:
            raise LauncherError(f"{MPIEXEC} is {given!r}, which cannot be run")
        version = _version_of(file)
        found = identify(version)
        if found is not library.implementation:
            whose = "of an unknown MPI" if found is None else f"of {found.value}"
            raise LauncherError(
                f"{MPIEXEC} is {given!r}, which is {whose}, but mpi4py loads "
                f"{library.version} ({library.file}); each rank would be alone"
            )
        return Launcher(library, file, _first_line(version))
    others = []
    for file in _candidates(library):
        version = _version_of(file)
        if identify(version) is library.implementation:
            return Launcher(library, file, _first_line(version))
        others.append(file)
    seen = f"; {', '.join(others)} is not of {name}" if others else ""
    raise LauncherError(
        f"mpi4py loads {library.version} ({library.file}), but no mpiexec of {name} was "
        f"found{seen}; {MPIEXEC} names it"
    )


def _candidates(library: Library) -> list[str]:
    """Returns files that may be the launcher, the likeliest first."""
    folders = [Path(sys.executable).parent, Path(sys.prefix) / "bin"]
    if library.file:
        # .../lib/libmpi.so, or Debian's .../lib/x86_64-linux-gnu/openmpi/lib/libmpi.so.
        folders += [each / "bin" for each in Path(library.file).resolve().parents]
    names = ("mpiexec", "mpirun", "mpiexec.openmpi", "mpiexec.mpich", "mpiexec.hydra")
    files = [str(folder / name) for folder in folders for name in names]
    found = [file for file in files if os.access(file, os.X_OK)]
    found += filter(None, map(shutil.which, names))
    return list(dict.fromkeys(found))


def _version_of(file: str) -> str:
    return _ask([file, "--version"])


def _first_line(version: str) -> str:
    """Returns the line with the number, for people.

    >>> _first_line("HYDRA build details:\\n    Version:      5.0.2\\n")
    'HYDRA 5.0.2'
    """
    lines = [line.strip() for line in version.splitlines() if line.strip()]
    if lines[0].startswith("HYDRA"):
        number = next((line for line in lines if line.startswith("Version:")), "")
        return f"HYDRA {number.removeprefix('Version:').strip()}".strip()
    return lines[0]
