"""What the self-test's program tries, in order to get out. Its source is what runs in the sandbox: it imports the standard library alone."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable

NETWORK = "no network"
READING = "no reading outside the folder"
WRITING = "no writing outside the folder"
SIGNALS = "no signals to other processes"
PROCESSES = "a limit on processes"
ENDING = "an end to every process"
PROMISES = (NETWORK, READING, WRITING, SIGNALS, PROCESSES, ENDING)


def main(*, port: int, stream: str, mailbox: str, secret: str, caller: int, processes: int) -> None:
    """Print, as a JSON list, the promises that do not hold.

    Args:
        port: Where the caller listens, by TCP on the loopback device.
        stream: The path of a stream socket at which the caller listens.
        mailbox: The path of a datagram socket of the caller's.
        secret: A file of the caller's.
        caller: The caller's process id.
        processes: The limit on processes.
    """
    own_process_tree = os.getpid() == 2  # the caller's id then belongs to nobody, or to somebody else
    holes = {
        NETWORK: any(
            map(
                _succeeds,
                (
                    lambda: _connect(socket.AF_INET, ("127.0.0.1", port)),
                    lambda: _connect(socket.AF_UNIX, stream),
                    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
                    lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", mailbox),
                ),
            )
        ),
        READING: any(map(_opens, (secret, os.path.dirname(secret), f"/proc/{caller}/environ", "/etc/passwd"))),
        WRITING: any(
            map(
                _succeeds,
                (
                    lambda: os.close(os.open(secret, os.O_WRONLY)),
                    lambda: os.truncate(secret, 0),
                    lambda: os.mkdir(f"{secret}-directory"),
                    lambda: os.chmod(secret, 0o600),
                    lambda: os.rename(secret, f"{secret}-renamed"),
                ),
            )
        ),
        SIGNALS: not own_process_tree and _succeeds(lambda: os.kill(caller, 0)),
        PROCESSES: _can_fork(8 * processes),  # without namespaces the limit wavers with what else the user runs
        ENDING: not own_process_tree and _child_leaves_the_group(),
    }
    sys.stdout.write(json.dumps([promise for promise in PROMISES if holes[promise]]))


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _opens(path: str) -> bool:
    return _succeeds(lambda: os.close(os.open(path, os.O_RDONLY)))


def _connect(family: int, address: tuple[str, int] | str) -> None:
    with socket.socket(family) as tried:
        tried.settimeout(5)
        tried.connect(address)


def _child_leaves_the_group() -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if _succeeds(os.setsid) else 1)
    return os.waitpid(child, 0)[1] == 0


def _can_fork(times: int) -> bool:
    """Whether so many children can live at a time."""
    waiting, release = os.pipe()
    children: list[int] = []
    try:
        for _ in range(times):
            child = os.fork()
            if child == 0:
                os.close(release)
                os.read(waiting, 1)
                os._exit(0)
            children.append(child)
    except OSError:
        return False
    finally:
        os.close(release)
        for child in children:
            os.waitpid(child, 0)
    return True
