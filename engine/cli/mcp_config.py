"""`tidegate mcp-config`: what connects an agent's client to this server, in the words of that client.

A key is printed only where one was given; otherwise the snippet names where the client finds it.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from engine.cli.client import KEY_FILE, address
from engine.cli.exits import usage
from engine.cli.output import Json, Output
from engine.settings import Settings, load_settings

Client = Literal["claude", "cursor", "vscode"]

NAME = "tidegate"
VARIABLE = "TIDEGATE_API_KEY"
INPUT = "tidegate-key"

KEY = re.compile(r"[\x21-\x7e]{1,500}")
TOOLSETS = re.compile(r"[a-z-]+(,[a-z-]+)*")

# The two lines that connect an agent, for whoever greets a newcomer.
MAKE_KEY = "tidegate keys create NAME --agent --scope all --max-audience 500"
PRINT_CONFIG = "tidegate mcp-config claude --key KEY"

FILES: dict[Client, str] = {
    "claude": ".mcp.json in the project",
    "cursor": "~/.cursor/mcp.json, or .cursor/mcp.json in the project",
    "vscode": ".vscode/mcp.json in the project",
}
PLACEHOLDERS: dict[Client, str] = {
    "claude": f"${{{VARIABLE}}}",
    "cursor": f"${{env:{VARIABLE}}}",
    "vscode": f"${{input:{INPUT}}}",
}


@dataclass(frozen=True)
class Way:
    """How a client reaches the server: the server's address, what of it is offered, and the key or a placeholder."""

    url: str
    key: str
    toolsets: str | None
    readonly: bool
    stdio: bool

    @property
    def address(self) -> str:
        """The MCP endpoint, narrowed."""
        asked = ([f"toolsets={self.toolsets}"] if self.toolsets else []) + (["readonly=1"] if self.readonly else [])
        return f"{self.url}/mcp" + (f"?{'&'.join(asked)}" if asked else "")

    @property
    def arguments(self) -> list[str]:
        """What follows `tidegate` where it is the client that starts us."""
        narrowed = ["--toolsets", self.toolsets] if self.toolsets else []
        return ["mcp", "stdio", *narrowed, *(["--readonly"] if self.readonly else [])]

    @property
    def environment(self) -> dict[str, str]:
        return {"TIDEGATE_URL": self.url, VARIABLE: self.key}

    def entry(self, client: Client) -> dict[str, Any]:
        """The server in the client's file."""
        if self.stdio:
            return {"type": "stdio", "command": _program(), "args": self.arguments, "env": self.environment}
        typed = {} if client == "cursor" else {"type": "http"}
        return {**typed, "url": self.address, "headers": {"Authorization": f"Bearer {self.key}"}}

    def command(self) -> str:
        """The line of Claude Code. A placeholder is the shell's own variable, which it replaces."""
        if self.stdio:
            # An option that follows `--env` keeps the name from being read as another variable.
            given = (word for name, value in self.environment.items() for word in ("--env", f"{name}={value}"))
            words = ("claude", "mcp", "add", *given, "--transport", "stdio", NAME, "--", _program(), *self.arguments)
        else:
            header = f"Authorization: Bearer {self.key}"
            words = ("claude", "mcp", "add", "--transport", "http", NAME, self.address, "--header", header)
        return " ".join(_quoted(word) for word in words)


def mcp_config(
    client: Client,
    *,
    key: Annotated[str | None, Parameter(help="A key to write out. Unset: the client finds it itself.")] = None,
    toolsets: Annotated[str | None, Parameter(help="Offer only these, such as workflows,batch.")] = None,
    readonly: Annotated[bool, Parameter(negative="", help="Offer only what changes nothing.")] = False,
    stdio: Annotated[bool, Parameter(negative="", help="Let the client start `tidegate mcp stdio` itself.")] = False,
    json: Json = False,
) -> None:
    """Print what connects an agent's client to this server. Nothing is written, and no key is looked up.

    The address is TIDEGATE_URL, or that of the server in the data directory.
    """
    out, settings = Output(json), load_settings()
    if key is not None and not KEY.fullmatch(key):
        raise usage("--key takes one key: printable, without spaces.")
    if toolsets is not None and not TOOLSETS.fullmatch(toolsets):
        raise usage("--toolsets takes names with commas between them, such as workflows,batch.")
    way = Way(address(settings), key or PLACEHOLDERS[client], toolsets, readonly, stdio)
    document = _document(client, way, prompts=key is None)
    command = way.command() if client == "claude" else None
    if json:
        out.document({"client": client, "command": command, "file": FILES[client], "config": document})
        return
    if command:
        out.say("Run this:")
        sys.stdout.write(f"{command}\n")
        sys.stdout.flush()
    out.say(f"{'Or put' if command else 'Put'} this into {FILES[client]}:")
    sys.stdout.write(dumps(document, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    out.say(_about_the_key(client, key, settings))


def _document(client: Client, way: Way, *, prompts: bool) -> dict[str, Any]:
    """The client's file, whole."""
    servers = {NAME: way.entry(client)}
    if client != "vscode":
        return {"mcpServers": servers}
    asked = {"type": "promptString", "id": INPUT, "description": "Tidegate API key", "password": True}
    return ({"inputs": [asked]} if prompts else {}) | {"servers": servers}


def _about_the_key(client: Client, key: str | None, settings: Settings) -> str:
    if key is None:
        how = "VS Code asks for it" if client == "vscode" else f"Set {VARIABLE} where the client starts"
        return f"{how}. A key for an agent: {MAKE_KEY}"
    if key == _owners(settings):
        return f"This is the owner's key, which may do everything. An agent should have one of its own: {MAKE_KEY}"
    return "The snippet holds the key: keep it out of version control."


def _owners(settings: Settings) -> str | None:
    try:
        return (settings.data_dir / KEY_FILE).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _program() -> str:
    """Where `tidegate` is: a client that was not started from a shell has another PATH."""
    beside = Path(sys.executable).with_name("tidegate")
    return str(beside) if beside.exists() else "tidegate"


def _quoted(word: str) -> str:
    """A word of a shell's line; in one with our placeholder, the shell puts the key in."""
    return f'"{word}"' if PLACEHOLDERS["claude"] in word else shlex.quote(word)
