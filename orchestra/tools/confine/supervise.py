"""The supervisor's life: shut the program in, wait for its end, for the time limit or for the caller, and leave no process behind.

It runs as its own interpreter, single-threaded, with the caller's pipes as its standard streams. SIGTERM ends it in good order: everything
it started is killed and waited for first. The kernel sends it SIGTERM when the caller dies, too.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys

from . import kernel, landlock, namespaces, seccomp
from .job import EXITED, FAILED, OUT_OF_TIME, Job

_EVENTS = (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_OPEN_FILES = 128


def main() -> None:
    job = Job.from_json(sys.argv[1])
    os.set_inheritable(job.status, False)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which process 1 does not heed
    signal.pthread_sigmask(signal.SIG_BLOCK, _EVENTS)  # each is waited for, so none is lost between two looks
    signal.setitimer(signal.ITIMER_REAL, job.seconds)
    try:
        _supervise(job)
    finally:
        if not job.keep_folder:
            _remove(job.folder)


def _supervise(job: Job) -> None:
    try:
        if "namespaces" in job.layers:
            namespaces.enter()
        if sys.platform == "linux":
            kernel.adopt_orphans()
            kernel.die_with_parent(signal.SIGTERM)
    except OSError as error:
        return _report(job, FAILED, error.strerror)
    if os.getppid() != job.caller:
        return  # it died before we asked to be told
    alive, held = os.pipe()
    os.set_blocking(alive, False)
    child = os.fork()
    if child == 0:
        try:
            os.close(held)
            _shut_in(job, alive)
        finally:
            os._exit(1)  # whatever happened: what is on the stack is the parent's to finish
    with contextlib.suppress(OSError):  # the child does it too: it is done before either of us goes on
        os.setpgid(child, child)
    _watch(job, child)


def _watch(job: Job, child: int) -> None:
    """Until the child has ended or must end; then end and reap whatever is left."""
    status = None
    while status is None:
        event = signal.sigwait(_EVENTS)
        if event == signal.SIGALRM:
            _report(job, OUT_OF_TIME)
        if event != signal.SIGCHLD:
            break
        status = _reaped(child)
    if status is not None and "namespaces" not in job.layers:  # with them, process 1 reports
        _report(job, EXITED, os.waitstatus_to_exitcode(status))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-child, 0)
    if not job.layers:  # nothing has kept its children in the group
        _end_orphans()


def _reaped(child: int) -> int | None:
    """The wait status of `child` if it has ended; orphans that have ended are waited for, too."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                found = ended[1]
    return found


def _end_orphans() -> None:
    """Linux makes this process the parent of orphans, in whatever group or session they are."""
    with contextlib.suppress(FileNotFoundError, ChildProcessError):
        while True:
            with open(f"/proc/self/task/{os.getpid()}/children") as children:
                for pid in children.read().split():
                    os.kill(int(pid), signal.SIGKILL)
            os.waitpid(-1, 0)


def _shut_in(job: Job, alive: int) -> None:
    """In the child: everything that must happen before the program starts. Returns when it could not, or when the program has ended."""
    try:
        os.setpgid(0, 0)
        if "namespaces" in job.layers:
            kernel.die_with_parent(signal.SIGKILL)
            namespaces.build_root(job.readable, job.links, job.folder, _DEVICES)
            if program := os.fork():
                return _reap(job, program)
        _start(job, alive)
    except (OSError, ValueError, MemoryError) as error:
        _report(job, FAILED, error)


def _reap(job: Job, program: int) -> None:
    """As process 1: wait for orphans until the program ends. What it left behind dies with this process."""
    pid = 0
    while pid != program:
        pid, status = os.waitpid(-1, 0)
    _report(job, EXITED, os.waitstatus_to_exitcode(status))


def _start(job: Job, alive: int) -> None:
    """Limits and filters, then the program in place of this process."""
    cpu = int(job.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))  # SIGXCPU, and SIGKILL for those who ignore it
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, job.file_bytes)
    os.chdir(job.folder)
    os.umask(0o022)
    if sys.platform == "linux":
        _restrict(job)
    with contextlib.suppress(BlockingIOError):
        if not os.read(alive, 1):
            return  # the supervisor died before the kernel was asked to tell
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _EVENTS)
    os.execve(job.command[0], job.command, job.environment)


def _restrict(job: Job) -> None:
    user = os.geteuid()
    kernel.drop_privileges()
    _limit(resource.RLIMIT_NPROC, job.processes + _others(job, is_user=os.geteuid() == user))
    _limit(resource.RLIMIT_AS, job.memory_bytes)
    kernel.die_with_parent(signal.SIGKILL)
    own_namespaces = "namespaces" in job.layers
    abi = 0
    if "landlock" in job.layers:
        abi = landlock.version()
        landlock.restrict(job.readable, job.folder, _DEVICES)
    if "seccomp" in job.layers:
        seccomp.restrict(
            namespaces=own_namespaces,
            signal_scope=own_namespaces or abi >= landlock.SIGNALS_VERSION,
            truncate_rule=own_namespaces or abi >= landlock.TRUNCATE_VERSION,
        )


def _others(job: Job, *, is_user: bool) -> int:
    """Processes and threads that the kernel counts with the program's: those of the same user in the same user namespace.

    Without namespaces that is whatever else the user runs at the moment.
    """
    if "namespaces" in job.layers:
        return 2 if is_user else 0  # supervisor and init
    count = 0
    for pid in {name for name in os.listdir("/proc") if name.isdigit()} - {str(os.getpid())}:
        with contextlib.suppress(OSError):  # it ended meanwhile
            if os.stat(f"/proc/{pid}").st_uid == os.geteuid():
                count += len(os.listdir(f"/proc/{pid}/task"))
    return count


def _limit(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        value = min(value, most)
    resource.setrlimit(kind, (value, value))


def _remove(folder: str) -> None:
    for parent, directories, files in os.walk(folder, topdown=False):
        for path in [os.path.join(parent, name) for name in (*files, *directories)]:
            with contextlib.suppress(OSError):
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _report(job: Job, word: str, what: object = "") -> None:
    os.write(job.status, f"{word} {what}\n".encode())
