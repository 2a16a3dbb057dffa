"""What an MCP client reads in the result of a call."""

from mcp_types import CallToolResult, TextContent


def first_text(result: CallToolResult) -> str:
    """Return the text that a result begins with."""
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text
