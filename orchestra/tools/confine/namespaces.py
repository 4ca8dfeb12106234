"""Linux namespaces: a process tree, a network and a file system of the program's own, with or without root.

The file system is built from nothing: an empty one in memory, into which only what the program needs is mounted. Linux 5.12 (for
`mount_setattr`). Source: user_namespaces(7), pid_namespaces(7), pivot_root(2), mount_setattr(2).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping

from .kernel import call

_NEW = 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000  # CLONE_NEW*: uts, ipc, user, pid, net
_NEW_MOUNTS = 0x00020000

_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_SETATTR = 442  # the same on every architecture
_READ_ONLY, _NO_SUID, _NO_DEVICES = 1, 2, 4  # MOUNT_ATTR_*

_STAGE = "/proc"
"""Where the new file system is put together: a directory that every Linux has and from which nothing is mounted."""


def enter() -> None:
    """Move this process into new namespaces; its next child is process 1 of the new process tree. Raises `OSError`."""
    pid = os.getpid()
    told, tell = os.pipe()
    helper = os.fork()
    if helper == 0:  # root's mapping of all users can only be written from outside
        os.close(tell)
        os._exit(_map_users(pid) if os.read(told, 1) else 0)
    os.close(told)
    try:
        call("unshare", _NEW)
        os.write(tell, b"!")
    finally:
        os.close(tell)
        _, status = os.waitpid(helper, 0)
    if number := os.waitstatus_to_exitcode(status):
        raise OSError(number, f"user mapping: {os.strerror(number)}")


def _map_users(pid: int) -> int:
    """Everyone keeps their id: all users where root asks, the caller alone otherwise. Returns 0 or an `errno`."""
    try:
        if os.geteuid() == 0:
            for kind in ("uid", "gid"):
                with open(f"/proc/self/{kind}_map") as own:
                    ranges = [line.split() for line in own]
                _write(f"/proc/{pid}/{kind}_map", "".join(f"{first} {first} {count}\n" for first, _, count in ranges))
        else:
            _write(f"/proc/{pid}/setgroups", "deny")
            _write(f"/proc/{pid}/uid_map", f"{os.geteuid()} {os.geteuid()} 1")
            _write(f"/proc/{pid}/gid_map", f"{os.getegid()} {os.getegid()} 1")
    except OSError as error:
        return error.errno or 1
    return 0


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # one write: the kernel takes a mapping once
        file.write(text)


def build_root(readable: Iterable[str], links: Mapping[str, str], writable: str, devices: Iterable[str]) -> None:
    """Replace this process's file system by one that holds the given paths, each where it was, and nothing else.

    Args:
        readable: Files and directories without symbolic links in their paths. Those that do not exist are left out.
        links: Symbolic links to make, and where they point.
        writable: A directory.
        devices: Device files; likewise.
    """
    call("unshare", _NEW_MOUNTS)
    call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    call("mount", b"tmpfs", _STAGE.encode(), b"tmpfs", 0, b"mode=755,size=1m")
    attributes = {path: _READ_ONLY | _NO_SUID | _NO_DEVICES for path in readable if os.path.exists(path)}
    # What is written to a device is no change to its file.
    attributes |= {path: _READ_ONLY | _NO_SUID for path in devices if os.path.exists(path)}
    attributes[writable] = _NO_SUID | _NO_DEVICES
    for path in sorted(attributes):  # a directory before what lies in it, which may be open to less
        _bind(path, attributes[path])
    for path, target in links.items():
        if not os.path.lexists(_STAGE + path):
            os.makedirs(os.path.dirname(_STAGE + path), exist_ok=True)
            os.symlink(target, _STAGE + path)
    os.chdir(_STAGE)
    call("pivot_root", b".", b".")  # the old root now lies over the new one
    call("umount2", b".", _MNT_DETACH)
    os.chdir("/")
    _set_attributes("/", 0, _READ_ONLY | _NO_SUID | _NO_DEVICES)


def _bind(path: str, attributes: int) -> None:
    target = _STAGE + path
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    # With what is mounted below it: without, an unprivileged caller would uncover what those mounts hide, and is refused.
    call("mount", os.fsencode(path), os.fsencode(target), None, _MS_BIND | _MS_REC, None)
    _set_attributes(target, _AT_RECURSIVE, attributes)


def _set_attributes(path: str, flags: int, attributes: int) -> None:
    structure = struct.pack("=4Q", attributes, 0, 0, 0)  # struct mount_attr: set, clear, propagation, user namespace
    call("syscall", _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, structure, len(structure))
