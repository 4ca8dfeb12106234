"""Landlock: this process and its descendants reach no file but those beneath given paths. Linux 5.13, without any privilege.

What it controls grew with its version (ABI): truncation from 3 on (Linux 6.2), TCP from 4 (6.7), signals and abstract sockets from 6
(6.12). The rest is seccomp's to refuse. Reading the metadata of a file whose path is known is never controlled.
Source: docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from .kernel import call, renounce_new_privileges

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_QUERY_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_NEVER = _MAKE_CHAR | _MAKE_SOCK | _MAKE_BLOCK | _IOCTL_DEV

_TCP = 0b11  # binding and connecting
_SCOPES = 0b11  # abstract sockets and signals stay among the confined

SIGNALS_VERSION = 6
TRUNCATE_VERSION = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64), ("handled_access_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # Python 3.14 wants it said
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """Landlock's ABI version on this kernel. Raises `OSError` where there is none."""
    return call("syscall", _CREATE_RULESET, None, 0, _QUERY_VERSION)


def restrict(readable: Iterable[str], writable: str, devices: Iterable[str]) -> None:
    """Shut this process in for good. Paths that do not exist are left out."""
    abi = version()
    handled = (1 << (13 if abi == 1 else 14 if abi == 2 else 15 if abi < 5 else 16)) - 1
    attributes = _Ruleset(handled, _TCP if abi >= 4 else 0, _SCOPES if abi >= SIGNALS_VERSION else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24  # older kernels refuse fields that they do not know
    ruleset = call("syscall", _CREATE_RULESET, ctypes.byref(attributes), size, 0)
    for path in readable:
        _allow(ruleset, path, _READ & handled)
    for path in devices:
        _allow(ruleset, path, (_READ_FILE | _WRITE_FILE) & handled)
    _allow(ruleset, writable, handled & ~_NEVER)
    renounce_new_privileges()
    call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        access &= _OF_FILES
    call("syscall", _ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(_PathBeneath(access, beneath)), 0)
    os.close(beneath)
