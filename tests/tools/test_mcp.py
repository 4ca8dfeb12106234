"""The MCP client against real server processes: the reference `time` server, and one with tools that hang, fail and die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestra.errors import ConfigError, ToolError
from orchestra.tools.mcp import McpServer
from orchestra.tools.tool import Tool, ToolSet

pytest.importorskip("mcp.client.client", reason="needs mcp 2")

SAMPLE = str(Path(__file__).parent / "mcp_sample_server.py")


def sample(**options: Any) -> McpServer:
    return McpServer.stdio(sys.executable, [SAMPLE], name="sample", **options)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Runs it, and asserts that it leaves no task behind."""

    async def checked() -> None:
        await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())


@contextlib.asynccontextmanager
async def connected(server: McpServer) -> AsyncIterator[ToolSet]:
    async with server:
        yield ToolSet(server.tools())


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def refused(tool: Tool, **arguments: Any) -> str:
    with pytest.raises(ToolError) as error:
        await tool.call(arguments)
    return str(error.value)


class Visitors:
    """A port that a hanging tool connects to, so that a test knows when it has begun and when it was cancelled."""

    def __init__(self) -> None:
        self.port = 0
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.left = asyncio.Event()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Visitors]:
        async with await asyncio.start_server(self._serve, "localhost", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            self.said.put_nowait(data)
        writer.close()
        self.left.set()


def test_the_reference_time_server_tells_the_time() -> None:
    pytest.importorskip("mcp_server_time")

    async def main() -> None:
        server = McpServer.stdio(sys.executable, ["-m", "mcp_server_time", "--local-timezone", "UTC"])
        with pytest.raises(ConfigError, match="an MCP server is not connected"):
            server.tools()
        async with connected(server) as tools:
            assert set(tools) == {"get_current_time", "convert_time"}
            now = tools["get_current_time"]
            assert server.name == "mcp-time", "as it calls itself"
            assert now.spec.effect == "idempotent", "it only reads"
            assert now.spec.required == {"timezone"}
            assert now.spec.returns is not None
            assert now.spec.returns["required"] == ["timezone", "datetime", "day_of_week", "is_dst"]
            answer = await now.call({"timezone": "Asia/Tokyo"})
            assert answer["timezone"] == "Asia/Tokyo"
            assert answer["datetime"].endswith("+09:00")
            noon = {"source_timezone": "Asia/Tokyo", "time": "12:00", "target_timezone": "UTC"}
            calls = [tools["convert_time"].call(noon) for _ in range(20)]
            assert {each["time_difference"] for each in await asyncio.gather(*calls)} == {"-9.0h"}
            assert "Invalid timezone" in await refused(now, timezone="Atlantis")

    run(main)


def test_a_servers_tools_become_tools_with_types_and_effects() -> None:
    async def main() -> None:
        async with sample() as server:
            tools = ToolSet(server.tools(prefix="s_"))
            add = tools["s_add"]
            assert add.spec.description == "Add two numbers."
            assert add.spec.parameter_names == ("a", "b")
            assert add.spec.required == {"a"}
            assert add.spec.returns is not None
            assert add.spec.returns["type"] == "integer", "not an object with a `result`"
            assert {name: tools[f"s_{name}"].spec.effect for name in ("add", "move_point", "greet", "fail")} == {
                "add": "idempotent",
                "move_point": "idempotent",
                "greet": "once",
                "fail": "once",
            }
            assert {tool.spec.effect for tool in server.tools(effect="pure")} == {"pure"}

    run(main)


def test_outputs_are_structured_where_they_can_be_and_text_where_not() -> None:
    async def main() -> None:
        async with connected(sample()) as tools:
            assert await tools["add"].call({"a": 2}) == 3
            assert await tools["move_point"].call({"point": {"x": 1, "y": 2}}) == {"x": 2, "y": 2}
            assert await tools["greet"].call({"name": "Ada"}) == "Hello, Ada\n$1"
            assert await tools["picture"].call({}) == "a caption\n[image left out: only text is passed on]"
            cut = await tools["long"].call({"length": 1_000_500})
            assert cut.endswith("[cut here: 500 of 1,000,500 characters are left out]")

    run(main)


def test_failures_and_wrong_arguments_are_told_in_words() -> None:
    async def main() -> None:
        async with connected(sample()) as tools:
            assert "there is no such record" in await refused(tools["fail"])
            assert "the argument `a` (integer) is missing. It is called as add(a: integer, b: integer = 1)" in await refused(
                tools["add"]
            )
            assert "it has no argument `c`" in await refused(tools["add"], a=1, c=2)
            assert "add failed: " in await refused(tools["add"], a="many")
            assert "cannot be sent its arguments" in await refused(tools["add"], a=object())
            assert await tools["add"].call({"a": 1}) == 2, "the session goes on"

    run(main)


def test_calls_run_concurrently() -> None:
    async def main() -> None:
        async with connected(sample()) as tools:
            assert await asyncio.gather(*(tools["meet"].call({"number": 30}) for _ in range(30))) == ["met"] * 30

    run(main)


def test_cancelling_a_call_reaches_the_server_and_hurts_no_other() -> None:
    async def main() -> None:
        async with Visitors().open() as visitors, connected(sample()) as tools:
            other = asyncio.create_task(tools["meet"].call({"number": 2}))
            hanging = asyncio.create_task(tools["hang"].call({"port": visitors.port}))
            assert await visitors.said.get() == b"here"
            hanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hanging
            assert await visitors.said.get() == b"gone"
            await visitors.left.wait()
            assert await tools["meet"].call({"number": 2}) == "met"
            assert await other == "met"

    run(main)


def test_when_a_server_dies_its_calls_fail_with_its_name_and_last_words() -> None:
    async def main() -> None:
        async with Visitors().open() as visitors, connected(sample()) as tools:
            hanging = asyncio.create_task(refused(tools["hang"], port=visitors.port))
            assert await visitors.said.get() == b"here"
            for message in (await refused(tools["die"]), await hanging, await refused(tools["add"], a=1)):
                assert "the MCP server sample has ended; its tools are lost until it is entered again" in message
                assert "out of memory, sorry" in message
            await visitors.left.wait()

    run(main)


def test_leaving_ends_the_process_and_fails_what_still_runs() -> None:
    async def main() -> None:
        async with Visitors().open() as visitors:
            async with connected(sample()) as tools:
                process = await tools["process_id"].call({})
                hanging = asyncio.create_task(refused(tools["hang"], port=visitors.port))
                assert await visitors.said.get() == b"here"
                assert is_alive(process)
            assert not is_alive(process)
            assert "the MCP server sample was closed while the call was running" in await hanging
            assert "the MCP server sample is closed: call its tools inside of `async with`" in await refused(tools["add"], a=1)
            await visitors.left.wait()

    run(main)


def test_one_task_may_enter_and_another_leave() -> None:
    async def main() -> None:
        server = sample()
        await asyncio.create_task(server.__aenter__())
        tools = ToolSet(server.tools())
        assert await asyncio.create_task(tools["add"].call({"a": 1})) == 2
        with pytest.raises(ConfigError, match="sample is entered already"):
            await server.__aenter__()
        process = await tools["process_id"].call({})
        await asyncio.create_task(server.__aexit__(None, None, None))
        assert not is_alive(process)

    run(main)


def test_cancelling_the_one_who_leaves_does_not_leave_the_process() -> None:
    async def main() -> None:
        server = sample()
        await server.__aenter__()
        process = await ToolSet(server.tools())["process_id"].call({})
        leaving = asyncio.create_task(server.__aexit__(None, None, None))
        for _ in range(3):
            await asyncio.sleep(0)
            leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not is_alive(process)

    run(main)


def test_cancelling_the_start_leaves_no_process() -> None:
    async def main() -> None:
        async with Visitors().open() as visitors:
            server = McpServer.stdio(sys.executable, [SAMPLE, str(visitors.port)])
            starting = asyncio.create_task(server.__aenter__())
            process = int(await visitors.said.get())
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert not is_alive(process)
            await visitors.left.wait()

    run(main)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-command-anywhere"], r"No such file or directory: 'no-such-command-anywhere'"),
        ([sys.executable, "-c", "raise SystemExit('set WEATHER_KEY')"], r"set WEATHER_KEY"),
        (
            [sys.executable, "-c", "print('not JSON'); import sys; sys.stdin.read()"],
            r"did not answer within 0.5 seconds \(`start_timeout_s`\): run `.*` by hand to see why",
        ),
    ],
    ids=["no command", "dies", "never answers"],
)
def test_a_server_that_does_not_start_says_why(command: list[str], message: str) -> None:
    async def main() -> None:
        server = McpServer.stdio(command[0], command[1:], name="broken", start_timeout_s=0.5 if "JSON" in str(command) else 30)
        with pytest.raises(ConfigError, match=message) as error:
            await server.__aenter__()
        assert "the MCP server broken" in str(error.value)

    run(main)


def test_settings_go_to_the_server_and_secrets_of_ours_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_SECRET", "hidden")
    program = "import os; raise SystemExit(f\"{os.environ.get('OUR_SECRET')} {os.environ['KEY']} {os.getcwd()}\")"

    async def main() -> None:
        server = McpServer.stdio(sys.executable, ["-c", program], env={"KEY": "given"}, cwd=Path(SAMPLE).parent)
        with pytest.raises(ConfigError, match=f"(?s)an MCP server did not start: run .* by hand.*None given {Path(SAMPLE).parent}"):
            await server.__aenter__()

    run(main)


class HttpSample:
    """The sample server over HTTP; it may be killed and started again at the same port."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, SAMPLE, "http", str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        for line in self.process.stderr:
            if match := re.search(r"running on http://127.0.0.1:(\d+)", line):
                self.port = int(match[1])
                return
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def http_sample() -> Iterator[HttpSample]:
    server = HttpSample()
    yield server
    server.kill()


def test_a_server_over_http_is_connected_again_after_it_was_away(http_sample: HttpSample) -> None:
    async def main() -> None:
        url = f"http://127.0.0.1:{http_sample.port}/mcp"
        async with connected(McpServer.http(url, headers={"Authorization": "Bearer key"})) as tools:
            assert await tools["add"].call({"a": 2}) == 3
            assert await asyncio.gather(*(tools["meet"].call({"number": 5}) for _ in range(5))) == ["met"] * 5
            async with Visitors().open() as visitors:
                hanging = asyncio.create_task(tools["hang"].call({"port": visitors.port}))
                assert await visitors.said.get() == b"here"
                hanging.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await hanging
                assert await visitors.said.get() == b"gone"
                await visitors.left.wait()
                pending = asyncio.create_task(refused(tools["hang"], port=visitors.port))
                assert await visitors.said.get() == b"here"
                await asyncio.to_thread(http_sample.kill)
                assert f"the MCP server {url} cannot be reached" in await pending
            for _ in range(2):
                assert f"the MCP server {url} cannot be reached" in await refused(tools["add"], a=2)
            await asyncio.to_thread(http_sample.start)
            assert await asyncio.gather(*(tools["add"].call({"a": number}) for number in range(5))) == [1, 2, 3, 4, 5]

    run(main)


def test_a_url_where_nobody_listens_and_one_that_is_none_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(
            ConfigError, match="the MCP server http://127.0.0.1:9/mcp cannot be reached: start it, or check its address and key"
        ):
            await McpServer.http("http://user:password@127.0.0.1:9/mcp?key=1").__aenter__()

    run(main)
    with pytest.raises(ConfigError, match="'example' is no address of an MCP server"):
        McpServer.http("example")


def test_without_the_sdk_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "orchestra.tools.mcp_session", raising=False)
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.delattr(sys.modules["orchestra.tools"], "mcp_session", raising=False)

    async def main() -> None:
        with pytest.raises(ConfigError, match=r"pip install 'orchestra\[mcp\]'"):
            await sample().__aenter__()

    run(main)
