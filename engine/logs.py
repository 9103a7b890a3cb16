"""Logs: structured, one line an event, without personal data and without secrets."""

from __future__ import annotations

import logging
import os
import sys
from urllib.parse import urlsplit

import structlog

from engine.settings import Settings

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(settings: Settings, *, process: str) -> None:
    """Send every logger of this process to stderr, as JSON or for a human's eyes."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(),
        # Not bound to a context: threads begin with an empty one.
        lambda _logger, _method, line: {**line, "process": process},
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[settings.log_level])
    for chatty in ("dramatiq", "httpx2", "httpcore2", "mcp", "sse_starlette", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def connected_to(settings: Settings) -> dict[str, str | int | None]:
    """Where the servers of this process are, without who it is there, and which process it is."""
    return {"database": _place(settings.database_url), "broker": _place(settings.redis_url), "pid": os.getpid()}


def _place(url: str | None) -> str | None:
    parts = urlsplit(url or "")
    try:
        where = f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        where = ""
    return f"{where}{parts.path}" or None
