"""A system call filter: what a sandboxed program never needs and what no other layer refuses. Linux on x86-64 and 64-bit ARM.

Refused calls fail with EPERM, as data for the program. Source: docs.kernel.org/userspace-api/seccomp_filter.html; numbers from the
kernel's syscall_64.tbl and asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from .kernel import call, renounce_new_privileges

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000  # linux/seccomp.h, this and the next line: offsets in `seccomp_data`
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column below, AUDIT_ARCH; both are little-endian
_X32_CALLS = 0x40000000  # x86-64's second numbering of the same calls
_CLONE3 = 435

_Condition = tuple[int, int, int]
"""Which argument, and the comparison and the value for which the call is refused. Compares the low 32 bits."""
_Call = tuple[int | None, int | None, *tuple[_Condition, ...]]
"""Number on x86-64, on 64-bit ARM (None: not there), and the conditions of which one suffices; with none, always refused."""

_NOT_UNIX: _Condition = (0, _ANY_BIT, ~1 & 0xFFFFFFFF)  # AF_UNIX is 1
_DATAGRAMS: _Condition = (1, _ANY_BIT, 2)  # they can be sent to any socket in the file system, whatever they are paired with
_NEW_NAMESPACES: _Condition = (0, _ANY_BIT, 0x7E020000)  # CLONE_NEW*: mount, cgroup, uts, ipc, user, pid, net
_OTHER_PROCESS: _Condition = (0, _ANY_BIT, 0xFFFFFFFF)  # 0 means the caller

_ALWAYS: dict[str, _Call] = {
    # the network; io_uring makes sockets without the call
    "socket": (41, 198),
    "socketpair": (53, 199, _NOT_UNIX, _DATAGRAMS),
    "io_uring_setup": (425, 425),
    # namespaces and mounts of its own, where most ways out of a container begin
    "clone": (56, 220, _NEW_NAMESPACES),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # other processes, and parts of the kernel known for their holes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "prlimit64": (302, 261, _OTHER_PROCESS),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # what all processes of a machine or a session share: its log, their keys
    "syslog": (103, 116),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # memory that RLIMIT_AS does not count, and queues that outlive the program
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
}
_WITHOUT_NAMESPACES: dict[str, _Call] = {
    # leaving the process group, by which the supervisor ends the program
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # other processes' shares of the machine
    "setpriority": (141, 140),
    "sched_setaffinity": (203, 122, _OTHER_PROCESS),
    "sched_setscheduler": (144, 119, _OTHER_PROCESS),
    "sched_setparam": (142, 118, _OTHER_PROCESS),
    "sched_setattr": (314, 274, _OTHER_PROCESS),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # files' metadata and what happens to files, neither of which Landlock guards
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
}
_WITHOUT_SIGNAL_SCOPE: dict[str, _Call] = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    # who gets SIGIO for a file: F_SETOWN, F_SETOWN_EX (and little used commands with that bit); FIOSETOWN, SIOCSPGRP
    "fcntl": (72, 25, (1, _ANY_BIT, 8)),
    "ioctl": (16, 29, (1, _EQUAL, 0x8901), (1, _EQUAL, 0x8902)),
}
_WITHOUT_TRUNCATE_RULE: dict[str, _Call] = {"truncate": (76, 45)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def restrict(*, namespaces: bool, signal_scope: bool, truncate_rule: bool) -> None:
    """Install the filter for this process and its descendants, for good. Raises `OSError`.

    Args:
        namespaces: The program runs in namespaces of its own, so it meets no foreign process and no foreign file.
        signal_scope: They, or Landlock, keep its signals among its own processes.
        truncate_rule: They, or Landlock, keep it from shortening foreign files.
    """
    calls = dict(_ALWAYS)
    if not namespaces:
        calls |= _WITHOUT_NAMESPACES
    if not signal_scope:
        calls |= _WITHOUT_SIGNAL_SCOPE
    if not truncate_rule:
        calls |= _WITHOUT_TRUNCATE_RULE
    instructions = _compile(list(calls.values()), os.uname().machine)
    renounce_new_privileges()
    call("prctl", _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(instructions) // 8, instructions)), 0, 0)


def _compile(calls: list[_Call], machine: str) -> bytes:
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no system call numbers for {machine}")
    column, architecture = _ARCHITECTURES[machine]
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, architecture, 1, 0),  # 32-bit calls have other numbers
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        code += [_instruction(_AT_LEAST, _X32_CALLS, 0, 1), _instruction(_RETURN, _KILL)]
    # Its flags lie in memory, which a filter cannot read; the C library then uses `clone`.
    code += [_instruction(_EQUAL, _CLONE3, 0, 1), _instruction(_RETURN, _FAIL | errno.ENOSYS)]
    refuse = _instruction(_RETURN, _FAIL | errno.EPERM)
    for entry in calls:
        number, conditions = entry[:2][column], entry[2:]
        if number is None:
            continue
        if not conditions:
            code += [_instruction(_EQUAL, number, 0, 1), refuse]
            continue
        code += [_instruction(_EQUAL, number, 0, 3 * len(conditions) + 1)]
        for argument, comparison, value in conditions:
            code += [_instruction(_LOAD, _ARGUMENTS + 8 * argument), _instruction(comparison, value, 0, 1), refuse]
        code += [_instruction(_LOAD, _NUMBER)]
    return b"".join([*code, _instruction(_RETURN, _ALLOW)])


def _instruction(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One `sock_filter`; the last two say how many instructions a comparison skips."""
    return struct.pack("<HBBI", operation, if_true, if_false, value)
