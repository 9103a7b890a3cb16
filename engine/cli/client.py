"""The client of a running server: TIDEGATE_URL and TIDEGATE_API_KEY, else found through the data directory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any
from weakref import finalize

import httpx2

from engine.cli.exits import Exit, Refusal
from engine.ids import new_id
from engine.settings import Settings, load_settings

BASE = "/api/v1"
URL_FILE = "url"
KEY_FILE = "owner-key"

PAGE = 200
"""Rows that one request asks for at most."""

TIMEOUT = httpx2.Timeout(30, connect=5, write=300)
BEHIND_ATTEMPTS = 5
"""How often a read is repeated when the views have not reached the position that it needs."""


def certificates(url: str) -> SSLContext | bool:
    """Whom to believe: nobody, where nothing is encrypted. To read the list takes longer than most commands."""
    return True if url.startswith("https:") else SSLContext(PROTOCOL_TLS_CLIENT)


class Api:
    """One server, one key. Whatever is not a success is raised as a Refusal with the server's problem document."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "tidegate-cli"}
        # No proxy from the environment: the server that was asked for is the one that gets the key.
        self._client = httpx2.Client(
            base_url=self.url + BASE, headers=headers, timeout=TIMEOUT, trust_env=False, verify=certificates(url)
        )
        finalize(self, self._client.close)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Read; parameters that are None are left out."""
        for _ in range(BEHIND_ATTEMPTS):
            answer = self._send("GET", path, params=_given(params))
            if answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE or "Retry-After" not in answer.headers:
                break
            threading.Event().wait(min(2.0, float(answer.headers["Retry-After"])))
        return _document(answer)

    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None, **params: Any) -> dict[str, Any]:
        """Ask for something to be done."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        content = {} if body is None else {"json": body}
        return _document(self._send("POST", path, headers=headers, params=_given(params), **content))

    def patch(self, path: str, body: Any, *, etag: str | None = None) -> dict[str, Any]:
        """Edit; `etag` names the version that the edit was made against."""
        return _document(self._send("PATCH", path, json=body, headers={"If-Match": etag} if etag else {}))

    def put(self, path: str, body: Any) -> dict[str, Any]:
        """Set as a whole; what is left out is gone."""
        return _document(self._send("PUT", path, json=body))

    def upload(
        self, path: str, content: Iterable[bytes], content_type: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Send a stream; nothing of it is held here."""
        timeout = httpx2.Timeout(3600, connect=5)
        headers = {"Content-Type": content_type}
        return _document(self._send("POST", path, content=content, headers=headers, params=params, timeout=timeout))

    def pages(
        self, path: str, *, limit: int, after: str | None = None, every: bool = False, **params: Any
    ) -> Iterator[dict[str, Any]]:
        """Pages of a list until `limit` rows were given, or (`every`) until there are no more."""
        left = limit
        while every or left > 0:
            page = self.get(path, limit=PAGE if every else min(PAGE, left), after=after, **params)
            yield page
            left -= len(page["data"])
            after = page.get("next_cursor")
            if not after:
                return

    def _send(self, method: str, path: str, **how: Any) -> httpx2.Response:
        try:
            return self._client.request(method, path, **how)
        except httpx2.TransportError as error:
            raise Refusal.of(
                "server.unreachable",
                f"No server answers at {self.url} ({type(error).__name__}).",
                then="Start one (`tidegate up`), or set TIDEGATE_URL.",
            ) from error


def connect(settings: Settings | None = None) -> Api:
    """The server that this user means; a Refusal that says what to do when none is known."""
    return Api(*located(settings or load_settings()))


def located(settings: Settings) -> tuple[str, str]:
    """Its address and the key; the same Refusal."""
    url = address(settings)
    key = settings.api_key.get_secret_value() if settings.api_key else _read(settings, KEY_FILE)
    if not key:
        raise Refusal.of(
            "auth.missing",
            f"No API key is known: TIDEGATE_API_KEY is not set and {settings.data_dir / KEY_FILE} is not there.",
            then="Set TIDEGATE_API_KEY. A key is made by `tidegate keys create`.",
            ends=Exit.NOT_ALLOWED,
        )
    return url, key


def address(settings: Settings) -> str:
    """Where the server is that this user means."""
    url = settings.url or _read(settings, URL_FILE)
    if not url:
        raise Refusal.of(
            "server.unknown",
            f"No server is known: TIDEGATE_URL is not set and none runs in {settings.data_dir.absolute()}.",
            then="Start one (`tidegate up`), or set TIDEGATE_URL and TIDEGATE_API_KEY.",
        )
    return url.rstrip("/")


def new_idempotency_key() -> str:
    """A key for one request, so that a repeated send is the same request."""
    return str(new_id())


def _read(settings: Settings, name: str) -> str | None:
    try:
        return (settings.data_dir / name).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _document(answer: httpx2.Response) -> dict[str, Any]:
    try:
        data = answer.json() if answer.content else {}
    except ValueError:
        data = None
    if answer.is_success and isinstance(data, dict):
        return data
    if isinstance(data, dict) and "code" in data:
        raise Refusal({"status": answer.status_code, **data})
    raise Refusal(
        {
            "code": "server.unexpected",
            "detail": f"The server answered {answer.status_code} {answer.reason_phrase} without a problem document.",
            "status": answer.status_code,
            "next": ["Check that TIDEGATE_URL names a Tidegate server."],
        }
    )
