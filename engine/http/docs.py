"""The API reference as one page that needs nothing from elsewhere: made from the OpenAPI document and the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from aggregates.errors import CODES
from aggregates.problem_codes import PROBLEM_CODES
from engine.http.problems import STATUS

STYLE = """\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{border-bottom:1px solid #8886;margin-top:3rem}code,pre{font:.875em/1.5 ui-monospace,monospace}
pre{overflow:auto;background:#8881;padding:.75rem;border-radius:4px}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.25rem .75rem .25rem 0;vertical-align:top;border-top:1px solid #8884}
.method{display:inline-block;min-width:4.5rem;font-weight:600}summary{cursor:pointer;padding:.25rem 0}
details{margin:.25rem 0}:target{background:#fd02}
"""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}


def page(document: Mapping[str, Any]) -> str:
    """The HTML."""
    title = escape(document["info"]["title"])
    paragraphs = document["info"]["description"].strip().split("\n\n")
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body><h1>{title} {escape(document['info']['version'])}</h1>",
        *(f"<p>{_prose(paragraph)}</p>" for paragraph in paragraphs),
        '<p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>',
        *_sections(document),
        *_codes(),
        "</body></html>",
    ]
    return "\n".join(parts)


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_tag.setdefault(operation.get("tags", ["other"])[0], []).append((method.upper(), path, operation))
    for tag, entries in by_tag.items():
        yield f"<h2>{escape(tag.capitalize())}</h2>"
        for method, path, operation in entries:
            yield from _operation(document, method, path, operation)


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    first, _, rest = operation.get("description", "").partition("\n\n")
    scopes = [scope for need in operation.get("security", []) for scope in need.get("key", [])]
    yield f'<details><summary><span class="method">{method}</span> <code>{escape(path)}</code></summary>'
    yield f"<p>{_prose(first)}</p>" + (f"<p>{_prose(rest)}</p>" if rest else "")
    if scopes:
        yield "<p>Scopes: " + ", ".join(f"<code>{escape(scope)}</code>" for scope in scopes) + "</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>"
        for entry in parameters:
            cells = (f"<code>{escape(entry['name'])}</code>", entry["in"], _type(entry["schema"]))
            yield _row(*cells, _prose(entry.get("description", "")))
        yield "</table>"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(media_type)}</code>:</p>" + _schema(document, content["schema"])
    for status, response in operation["responses"].items():
        content = next(iter(response.get("content", {}).values()), None)
        if status.startswith("2") and content:
            yield f"<p>{escape(status)}:</p>" + _schema(document, content["schema"])
    others = [status for status in operation["responses"] if not status.startswith("2")]
    if others:
        yield f"<p>Refusals: {escape(', '.join(others))}.</p>"
    yield "</details>"


def _schema(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The fields of an object as a table; anything else as its type."""
    found = _resolved(document, schema)
    required = found.get("required", [])
    rows = [
        _row(
            f"<code>{escape(name)}</code>" + ("" if name in required else " <small>optional</small>"),
            _type(field),
            _prose(field.get("description", "")) + _example(field),
        )
        for name, field in found.get("properties", {}).items()
    ]
    if not rows:
        return f"<p>{_type(schema)}</p>"
    return "<table><tr><th>Field</th><th>Type</th><th></th></tr>" + "".join(rows) + "</table>"


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    schema = options[0] if options else schema
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def _type(schema: Mapping[str, Any]) -> str:
    """A schema's type in a few words."""
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "$ref" in schema:
        return f"<code>{escape(schema['$ref'].rpartition('/')[2])}</code>"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kind = escape(str(schema.get("format") or schema.get("type") or "any"))
    items = schema.get("items")
    return f"{kind} of {_type(items)}" if items else kind


def _example(field: Mapping[str, Any]) -> str:
    examples = field.get("examples")
    return f"<br><code>{escape(json.dumps(examples[0]))}</code>" if examples else ""


def _codes() -> Iterator[str]:
    yield "<h2>Codes of refusals</h2><table><tr><th>Code</th><th>Status</th><th>Meaning</th><th>Next</th></tr>"
    for code, entry in CODES.items():
        cells = (f"<code>{escape(code)}</code>", str(STATUS[entry.kind]), _prose(entry.message), _prose(entry.next))
        yield _row(*cells, anchor=code)
    yield "</table>"
    yield "<h2>Codes of single problems</h2><p>In <code>errors</code> of a refusal, in <code>findings</code>, and in "
    yield "what an import rejects or warns of.</p><table><tr><th>Code</th><th>Meaning</th></tr>"
    for code, meaning in PROBLEM_CODES.items():
        yield _row(f"<code>{escape(code)}</code>", _prose(meaning), anchor=code)
    yield "</table>"


def _row(*cells: str, anchor: str = "") -> str:
    mark = f' id="{escape(anchor)}"' if anchor else ""
    return f"<tr{mark}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _prose(text: str) -> str:
    """Escaped text, with `code` between backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
