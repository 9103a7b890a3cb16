"""The agents' door: Streamable HTTP at /mcp, and at /mcp/studio with another table of tools.

tools      one module per toolset: what an agent can do, in a closed table
tool       what a tool is, and what its handler receives
schemas    JSON Schemas of arguments and answers, kept small; arguments parsed with every problem at once
json_text  JSON that a client sends as text
refusals   a refusal as an agent reads it
texts      what each address says by itself: instructions, and next steps that name its own tools only
server     lists tools and calls them
auth       API keys, hosts and origins
asking     asks the human through the client, where the client can
sessions   sessions of the older protocols, known to every process
clients    what a client calls itself
empty      resources and prompts, of which there are none
endpoints  the paths, each behind its own checks
serve      both doors, HTTP and MCP, in one process
"""
