"""HTTP requests, signed by Standard Webhooks.

The connections of the HTTP client are used without the client around them: cookies, redirects, proxies of the
environment and decompression are exactly what must not happen between tenants and their endpoints.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpcore2
import httpx2
import orjson
from standardwebhooks.webhooks import Webhook

from aggregates.errors import DomainError
from aggregates.secrets import SecretsInUse
from workers.delivery.connections import Connections
from workers.delivery.outbound import GuardedBackend, Outbound
from workers.delivery.permit import Permit
from workers.delivery.places import Place
from workers.delivery.retries import NOT_BEGUN, RETRY_AFTER_LIMIT, Outgoing, Result

TOTAL = 200
"""Idle connections that are kept, by a process that was not told otherwise."""

ANSWER_LIMIT = 64 * 1024
"""How much of an answer is read, in bytes. What it says is not kept."""

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 30.0
PROJECTS_KEPT = 1024
"""Projects whose secrets a process need not derive again."""

URLS_KEPT = 128
"""URLs that a process need not take apart again."""

HOST = re.compile(rb"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]{2,45}")

PORTS = {"http": 80, "https": 443}

AGAIN = frozenset({408, 425, 429})
ASKS = 429
"""Asks to come again later: it costs no attempt, as whatever says `Retry-After`."""

# Nothing of these can have reached the other side.
NOT_SENT = (httpcore2.ConnectError, httpcore2.ConnectTimeout)
BROKEN = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, httpcore2.ConnectionNotAvailable)


class Webhooks:
    """Sends requests on the event loop where it is first used, over connections that it keeps.

    `now` gives instants. `secrets` are those of a project, each a Standard Webhooks secret (`whsec_…`) or the bytes of
    one: a request has a signature with each.
    """

    def __init__(
        self,
        outbound: Outbound,
        secrets: Callable[[UUID], Sequence[str | bytes]],
        now: Callable[[], datetime],
        *,
        total: int = TOTAL,
    ) -> None:
        self._signers = lru_cache(maxsize=PROJECTS_KEPT)(lambda project: [Webhook(each) for each in secrets(project)])
        self._now = now
        context = httpx2.create_ssl_context(trust_env=False)
        self._connections = Connections(context, GuardedBackend(outbound), total, IDLE_SECONDS)

    async def send(self, outgoing: Outgoing, permit: Permit) -> Result:
        """One call, if it may begin at the moment when it would leave."""
        url = target(outgoing.request["url"])
        if url is None:
            return Result("failed", "url.invalid")
        # The last look, at what is really connected to: redirects are not followed, so there is no other host.
        host = f"[{url.host}]" if ":" in url.host else url.host
        if not outgoing.secrets.permits(f"{host}:{url.port or PORTS[url.scheme]}"):
            return Result("failed", "secret.host_refused")
        return await self._try(outgoing, url) if permit.may_begin() else NOT_BEGUN

    async def close(self) -> None:
        await self._connections.aclose()

    async def _try(self, outgoing: Outgoing, url: httpx2.URL) -> Result:
        limit = float(outgoing.request.get("timeout_seconds", 10))
        try:
            async with asyncio.timeout(limit):
                return await self._exchange(outgoing, url, limit)
        except TimeoutError:
            return Result("retry", "timeout", sent=True, heard="silent")
        except DomainError as refusal:
            return Result("failed", refusal.code)
        except NOT_SENT as error:
            return Result("retry", "tls.failed" if _of_tls(error) else "connect.failed", heard="silent")
        except httpcore2.LocalProtocolError:
            return Result("failed", "request.invalid")
        except BROKEN:
            return Result("retry", "connection.lost", sent=True, heard="silent")

    async def _exchange(self, outgoing: Outgoing, url: httpx2.URL, limit: float) -> Result:
        body = b"" if outgoing.request.get("body") is None else orjson.dumps(outgoing.request["body"])
        request = httpcore2.Request(
            str(outgoing.request["method"]),
            httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=self._headers(outgoing, url, body),
            content=body,
            extensions={"timeout": {"connect": min(CONNECT_SECONDS, limit)}},
        )
        async with self._connections.exchange(request) as response:
            length = 0
            async for part in response.aiter_stream():
                length += len(part)
                if length > ANSWER_LIMIT:  # leaving now closes the connection
                    break
            return self._judge(response, outgoing.secrets)

    def _headers(self, outgoing: Outgoing, url: httpx2.URL, body: bytes) -> list[tuple[bytes, bytes]]:
        """What we set comes last and cannot be given by a workflow (its names are reserved)."""
        key, now = str(outgoing.effect_id), self._now()
        given: Mapping[str, str] = outgoing.request.get("headers") or {}
        ours: dict[str, Any] = {
            "webhook-id": key,
            "webhook-timestamp": int(now.timestamp()),
            "webhook-signature": self._signature(outgoing.project_id, key, now.astimezone(UTC), body.decode()),
            "idempotency-key": key,
            "content-length": len(body),
        }
        headers = {"user-agent": "Tidegate", "accept-encoding": "identity"}
        if body:
            headers["content-type"] = "application/json"
        headers |= {name.lower(): value for name, value in given.items()}
        pairs = [(b"host", url.netloc)]
        pairs += [(name.encode("ascii"), str(value).encode("utf-8")) for name, value in (headers | ours).items()]
        return pairs

    def _signature(self, project_id: UUID, key: str, at: datetime, body: str) -> str:
        """One signature with each secret, the newest first: a receiver needs one of them to be good."""
        return " ".join(signer.sign(key, at, body) for signer in self._signers(project_id))

    def _judge(self, response: httpcore2.Response, secrets: SecretsInUse) -> Result:
        status = response.status
        headers = {name.lower(): value for name, value in response.headers}
        if 200 <= status < 300:
            # Masked before it is cut: half a secret would not be recognised.
            found = (secrets.masked(headers.get(b"x-request-id", b"").decode("latin-1")) or "")[:200]
            id = found if found.isprintable() and found else None
            return Result("succeeded", provider_id=id, heard="fine")
        error = f"http.{status}"
        if status in AGAIN or status >= 500:
            asked_for = retry_after(headers.get(b"retry-after", b""), self._now())
            asks = status == ASKS or asked_for is not None
            return Result(
                "retry", error, retry_after=asked_for, answered=True, free=asks, heard="later" if asks else "fine"
            )
        return Result("failed", error, answered=True, heard="fine")


def _of_tls(error: BaseException) -> bool:
    """Whether there was a connection, and no agreement on it: a certificate, a name, a version."""
    cause = error.__cause__ or error.__context__
    return isinstance(error, ssl.SSLError) or (cause is not None and _of_tls(cause))


@lru_cache(maxsize=URLS_KEPT)
def target(text: str) -> httpx2.URL | None:
    """Where a request goes; None for what is no place on the web. Most steps send everybody to the same one."""
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError):
        return None
    return url if url.scheme in {"http", "https"} and HOST.fullmatch(url.raw_host) else None


def retry_after(value: bytes, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number or a date. None if it says nothing sensible."""
    text = value.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_LIMIT)
    try:
        instant = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    seconds = (instant.replace(tzinfo=instant.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


@lru_cache(maxsize=URLS_KEPT)
def place_of(url: str) -> Place:
    """The host that a step's address names; no template has a say in it."""
    try:
        return Place("webhook", (urlsplit(url).hostname or "").rstrip("."))
    except ValueError:
        return Place("webhook")
