"""A client that is not the product's: it asks again, with the same idempotency key, until an answer comes."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PATIENCE_SECONDS = 180.0
ONE_REQUEST_SECONDS = 15.0
PAUSE_SECONDS = 0.2

Json = dict[str, Any]


class NoAnswerError(Exception):
    """Nobody answered for minutes: the product does not recover."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Json

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Client:
    """Asks one server; safe to use from several threads."""

    port: int
    key: str

    def ask(self, method: str, path: str, body: Any = None, idempotency_key: str | None = None) -> Answer:
        """The first answer that is one: an accepted request or a refusal for good."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = self._once(method, path, body, idempotency_key)
            except (OSError, http.client.HTTPException, ValueError):
                answer = None
            if answer is not None and not _again(answer):
                return answer
            if time.monotonic() > deadline:
                raise NoAnswerError(f"{method} {path}: {answer}")
            time.sleep(PAUSE_SECONDS)

    def get(self, path: str) -> Json:
        answer = self.ask("GET", path)
        if not answer.accepted:
            raise NoAnswerError(f"GET {path}: {answer}")
        return answer.body

    def status_of(self, job: str) -> str:
        """How a batch job stands; empty while no view has heard of it."""
        answer = self.ask("GET", f"/batch-jobs/{job}")
        return str(answer.body["status"]) if answer.accepted else ""

    def rows(self, path: str) -> Iterator[Json]:
        """Every row of a list, page by page."""
        after = ""
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=200{after}")
            yield from page["data"]
            if page["next_cursor"] is None:
                return
            after = f"&after={page['next_cursor']}"

    def _once(self, method: str, path: str, body: Any, idempotency_key: str | None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ONE_REQUEST_SECONDS)
        try:
            headers = {"authorization": f"Bearer {self.key}"}
            if idempotency_key is not None:
                headers["idempotency-key"] = idempotency_key
            if isinstance(body, bytes):
                headers["content-type"] = "text/csv"
            elif body is not None:
                headers["content-type"], body = "application/json", json.dumps(body).encode()
            connection.request(method, f"/api/v1{path}", body, headers)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read() or b"{}"))
        finally:
            connection.close()


def _again(answer: Answer) -> bool:
    """Whether this is no answer yet: an outage, or the same request is being worked on."""
    busy = answer.body.get("code") in {"idempotency.in_flight", "stream.conflict"}
    return answer.status >= 500 or answer.status == 429 or busy
