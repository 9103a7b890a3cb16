"""Signing secrets of webhooks: one for each project, and two at once while receivers change theirs.

A receiver who knows the secret of one project can forge nothing for a receiver of another. Each is derived from the
installation's, so there is nothing to store, and every process comes to the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from uuid import UUID

from engine.secrets import Secrets
from engine.settings import Settings

PREFIX = "whsec_"


class Signing:
    """`current` and `before` are secrets of the installation, the latter until every receiver has the new one.

    `shared` signs with those themselves as well, as versions did whose projects had no secrets of their own.
    """

    def __init__(self, current: bytes, before: bytes | None = None, *, shared: bool = False) -> None:
        self._bases = [current, *([] if before is None else [before])]
        self._shared = shared

    @classmethod
    def from_settings(cls, settings: Settings, secrets: Secrets) -> Signing:
        """The operator's secret, or one that is derived from the secret key."""
        given, before = settings.webhook_secret, settings.webhook_secret_before
        current = _bytes(given.get_secret_value()) if given else secrets.derive("webhook signature")
        return cls(
            current, _bytes(before.get_secret_value()) if before else None, shared=settings.webhook_shared_signature
        )

    def secret(self, project_id: UUID) -> str:
        """What a receiver of the project is given: a Standard Webhooks secret."""
        return PREFIX + base64.b64encode(_derived(self._bases[0], project_id)).decode()

    def secrets(self, project_id: UUID) -> list[bytes]:
        """What each of the project's webhooks is signed with, the newest first."""
        own = [_derived(base, project_id) for base in self._bases]
        return [*own, *self._bases] if self._shared else own

    def __repr__(self) -> str:
        return "Signing(...)"


def _derived(base: bytes, project_id: UUID) -> bytes:
    return hmac.digest(base, f"webhooks of project {project_id}".encode(), hashlib.sha256)


def _bytes(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))
