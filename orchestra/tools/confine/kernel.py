"""System calls for which Python has no function, through the C library. Linux."""

from __future__ import annotations

import contextlib
import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h, this and the next three
_PR_SET_KEEPCAPS = 8
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_DAC_OVERRIDE = 1  # linux/capability.h
_CAPABILITY_VERSION_3 = 0x20080522
_NOBODY = 65534


def call(function: str, *arguments: object) -> int:
    """What a C function returns that signals failure by -1 and `errno`. Integers travel as `unsigned long`. Raises `OSError`."""
    converted = [ctypes.c_ulong(argument) if isinstance(argument, int) else argument for argument in arguments]
    result: int = getattr(_libc, function)(*converted)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
    return result


def die_with_parent(signal_number: int) -> None:
    """Send this process a signal when its parent ends. Changing user or capabilities undoes it."""
    call("prctl", _PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ended, so that they can be waited for."""
    call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def renounce_new_privileges() -> None:
    """No program started from here on gains anything by its set-user-id bit; seccomp and Landlock ask for it."""
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def drop_privileges() -> None:
    """Give up all capabilities; root becomes nobody, who keeps one: to write to files of others.

    The kernel does not limit the number of root's processes, whatever RLIMIT_NPROC says, so a program must not run as root. With
    CAP_DAC_OVERRIDE it can still use a folder that belongs to root; which files it reaches is for the mounts and Landlock to say.
    Where root may not become nobody (a container without CAP_SETUID), it stays, and the self-test says what that leaves open.
    """
    kept = 0
    if os.geteuid() == 0:
        call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
            kept = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)  # effective, permitted, inheritable: low words, then high words
    call("capset", header, sets)
    if kept:
        call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)  # survives the start of a program
