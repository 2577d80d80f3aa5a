"""An MCP server on the Python SDK, 1.x or 2.x: remembers what it is told.

    peer_mcp_server.py                  over stdio
    peer_mcp_server.py http PORT        over streamable HTTP, with the SDK's own sessions
"""

import sys

try:  # 1.x
    from mcp.server.fastmcp import FastMCP as Server

    first = True
except ImportError:  # 2.x
    from mcp.server import MCPServer as Server

    first = False

from mcp.types import ToolAnnotations

server = Server("peer")
memory: list[str] = []


@server.tool()
def remember(text: str) -> str:
    """Remember a text."""
    memory.append(text)
    return "noted"


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def recall() -> str:
    """All texts so far."""
    return ",".join(memory)


@server.tool()
def refuse() -> str:
    """Never works."""
    raise ValueError("no such order")


if len(sys.argv) > 2:
    port = int(sys.argv[2])
    if first:
        server.settings.port = port
        server.run(transport="streamable-http")
    else:
        server.run(transport="streamable-http", port=port)
else:
    server.run()
