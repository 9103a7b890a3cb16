"""Who asks, and from where: API keys, and the hosts and origins that a request may name."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl, Field, SkipValidation

from aggregates.base import Principal
from aggregates.errors import DomainError
from engine.bootstrap import System
from engine.errors import StartupError
from engine.http.pressure import claim
from engine.settings import Settings

PATH = "/mcp"

STUDIO_PATH = "/mcp/studio"

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104


class Bearer(AccessToken):
    """A key that was found good for this one request. It does not hold the key itself."""

    principal: SkipValidation[Principal] = Field(repr=False)


class KeyVerifier:
    """Looks every key up anew for each request, so a revoked key or a changed scope counts from the next one on."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._threads = anyio.CapacityLimiter(system.settings.pool_size)

    async def verify_token(self, token: str) -> Bearer | None:
        """The principal behind a key; None refuses with 401. Raises `service.busy`."""
        try:
            principal = await to_thread.run_sync(self._system.principal_of, token, "mcp", limiter=self._threads)
        except DomainError:
            return None
        claim(principal.project_id)
        # The SDK ties a session to (client_id, subject): another key, even of the same project, is a stranger to it.
        return Bearer(
            token=principal.id,
            client_id=principal.id,
            scopes=sorted(principal.scopes),
            subject=f"{principal.project_id}:{principal.id}",
            principal=principal,
        )


def present_principal() -> Principal | None:
    """Who sent the request that is being answered."""
    token = get_access_token()
    return token.principal if isinstance(token, Bearer) else None


@dataclass(frozen=True)
class Address:
    """Where this server is reached: its URL for clients, and the exact hosts that a request may name."""

    url: str
    hosts: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, port: int) -> Address:
        """The address of a server that listens on `port` of `settings.http_host`."""
        host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
        local = host in LOOPBACK or settings.http_host in EVERY_ADDRESS
        names = LOOPBACK if local else (host,)
        hosts = [f"{name}:{port}" for name in names] + (list(names) if port == 80 else [])
        url = f"http://{LOOPBACK[0] if settings.http_host in EVERY_ADDRESS else host}:{port}"
        if settings.public_url is not None:
            url = settings.public_url.rstrip("/")
            hosts.append(urlsplit(url).netloc)
        hosts += settings.mcp_allowed_hosts
        inexact = [name for name in hosts if "*" in name or "/" in name]
        if inexact:
            raise StartupError(f"Hosts are exact, like tidegate.example.com or 10.0.0.5:8787; not {inexact[0]}.")
        return cls(url, tuple(dict.fromkeys(hosts)))

    @property
    def security(self) -> TransportSecuritySettings:
        """Exact lists only: the SDK's wildcard for ports is a prefix match."""
        origins = [f"{scheme}://{host}" for host in self.hosts for scheme in ("http", "https")]
        return TransportSecuritySettings(allowed_hosts=list(self.hosts), allowed_origins=origins)

    def auth(self, path: str) -> AuthSettings:
        """What the 401 and the protected-resource metadata of a path tell; keys are ours, so we are the issuer."""
        return AuthSettings(
            issuer_url=AnyHttpUrl(self.url),
            resource_server_url=AnyHttpUrl(self.url + path),
            # The verifier decides by the key alone; keys are not bound to a resource.
            validate_token_resource=False,
        )
