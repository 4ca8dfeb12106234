"""Fork–join formats, one file each."""

from .apr import Apr, AprMarkers
from .base import Branches, Finish, Move, Splice, ThreadProtocol
from .serial import Serial
from .weaver import Weaver, WeaverMarkers

__all__ = ["Apr", "AprMarkers", "Branches", "Finish", "Move", "Serial", "Splice", "ThreadProtocol", "Weaver", "WeaverMarkers"]
