"""Tools of an MCP server: here the reference `time` server, started for us and ended with us.

    pip install 'orchestra[mcp]' mcp-server-time
    python examples/mcp_tools.py                                    # a script in place of a model
    python examples/mcp_tools.py --model http://localhost:8000/v1   # asks a model

prints

    tools of mcp-time: get_current_time, convert_time
    ['-3.5h', '-6.0h']
"""

import argparse
import asyncio
import sys
from importlib.util import find_spec

from orchestra.agent import Agent, Settings
from orchestra.chat import ChatModel, ScriptedChat, open_chat
from orchestra.tools import McpServer

TASK = "How far are Kolkata and Nairobi behind Tokyo?"
PLAN = """\
1. convert_time("Asia/Tokyo", "12:00", "Asia/Kolkata")
2. convert_time("Asia/Tokyo", "12:00", "Africa/Nairobi")
3. join([$1.time_difference, $2.time_difference])
"""


async def main(model: ChatModel) -> None:
    server = McpServer.stdio(sys.executable, ["-m", "mcp_server_time", "--local-timezone", "UTC"])
    async with model, server:
        tools = server.tools(effect="idempotent")  # the server does not say so itself
        print(f"tools of {server.name}: {', '.join(tool.name for tool in tools)}")
        result = await Agent(model, tools, settings=Settings(joiner=None)).run(TASK)
    print(result.answer if result.status == "succeeded" else f"no answer: {result.error}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", help="the URL of an endpoint (default: a script that knows the plan)")
    model = parser.parse_args().model
    if missing := [name for name in ("mcp", "mcp_server_time") if find_spec(name) is None]:
        print(f"skipped: {' and '.join(missing)} not installed; pip install 'orchestra[mcp]' mcp-server-time")
    else:
        asyncio.run(main(open_chat(model) if model else ScriptedChat(lambda request: PLAN)))
