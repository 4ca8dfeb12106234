"""Tools: functions that plans call, and some that are ready."""

from .arithmetic import arithmetic
from .folder_search import folder_search
from .function import as_tool, tool
from .load import load_tools
from .mcp import McpServer
from .recorded import recorded
from .retrieval import Shortlist
from .sandbox import python_tool
from .tool import Tool, ToolSet

__all__ = [
    "McpServer",
    "Shortlist",
    "Tool",
    "ToolSet",
    "arithmetic",
    "as_tool",
    "folder_search",
    "load_tools",
    "python_tool",
    "recorded",
    "tool",
]
