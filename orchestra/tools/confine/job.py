"""What a caller asks of the supervisor, and the lines in which the supervisor reports back."""

from __future__ import annotations

import json


class Job:
    """One program to run. Crosses to the supervisor as JSON; no dataclass, whose import would cost each call 7 ms."""

    def __init__(
        self,
        *,
        layers: list[str],
        command: list[str],
        environment: dict[str, str],
        folder: str,
        keep_folder: bool,
        readable: list[str],
        links: dict[str, str],
        seconds: float,
        memory_bytes: int,
        file_bytes: int,
        processes: int,
        caller: int,
        status: int,
    ) -> None:
        self.layers = layers
        """Of "namespaces", "landlock", "seccomp": each must take effect, or the program is not started."""
        self.command = command
        """Its own program file first."""
        self.environment = environment
        self.folder = folder
        """The only place where the program may write, and where it starts; without symbolic links in its path."""
        self.keep_folder = keep_folder
        """Else the supervisor removes it at the end, also when the caller is gone by then."""
        self.readable = readable
        """What the program may read besides: files and directories, without symbolic links in their paths."""
        self.links = links
        """Symbolic links to some of them, by the paths at which the interpreter looks."""
        self.seconds = seconds
        """Wall-clock seconds for everything, and CPU seconds for each process."""
        self.memory_bytes = memory_bytes
        """Address space of each process."""
        self.file_bytes = file_bytes
        """Size of a file that the program writes."""
        self.processes = processes
        """Processes and threads that may live at a time."""
        self.caller = caller
        """Process id of the caller: the supervisor ends with it."""
        self.status = status
        """File descriptor for the report: lines that begin with one of the words below."""

    def to_json(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        return cls(**json.loads(text))


EXITED = "exited"
"""Then the program's exit code, negative for a signal."""
OUT_OF_TIME = "out-of-time"
"""The wall-clock limit ended it."""
FAILED = "failed"
"""Then why the program was not started."""
