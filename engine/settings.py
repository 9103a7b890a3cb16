"""Every setting, where its value came from, and the only reader of the environment.

A value comes from the environment (`TIDEGATE_HTTP_PORT`), else from `tidegate.toml` in the working directory
(`http_port = 8787`), else it is the default. A name that is not a setting is refused in both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from aggregates.address import normalised
from aggregates.policy import known_addresses
from engine import failpoints
from engine.errors import StartupError
from engine.setting_texts import masked, read_file, sentence
from engine.setting_values import Broker, Count, Database, Port, Rate, Relay, Sender, SigningSecret

PREFIX = "TIDEGATE_"
FILE = "tidegate.toml"

# Kubernetes puts these into every container of a namespace that has a Service called tidegate.
_KUBERNETES = re.compile(r"TIDEGATE_(SERVICE_(HOST|PORT)(_.+)?|PORT(_\d+_(TCP|UDP).*)?)")

SMALLEST_CHUNK = 25
CHUNKS_PER_WORKER = 4
"""A small job is cut so that every worker process gets about this many chunks."""


class Settings(BaseSettings):
    """What an operator can choose. Read once by `load_settings`, then passed on; frozen."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    # The three URLs may hold a password: they are kept out of `repr`, and `shown` masks it.
    database_url: Database | None = Field(
        None,
        repr=False,
        description="URL of a PostgreSQL 18 (postgresql://...). Unset: the embedded server.",
    )
    redis_url: Broker | None = Field(
        None, repr=False, description="URL of a Redis (6.2 or newer) or Valkey. Unset: the embedded server."
    )
    data_dir: Path = Field(
        Path(".tidegate"), description="Where the embedded servers, the secret and the owner key live."
    )

    http_host: str = Field("127.0.0.1", description="Address that the HTTP API listens on.")
    http_port: Port = Field(8787, description="Port that the HTTP API listens on; 0 takes a free one.")
    http_requests: Count = Field(
        100, description="Requests that one server process has in hand at a time; those beyond are told to come back."
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@\s*]+/?$",
        description="Address under which clients reach the server when it is not the one that it listens on, such as "
        "https://tidegate.example.com.",
    )
    mcp_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Further hosts, separated by commas, that an MCP request may name, exactly as in its Host header.",
    )
    mcp_session_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        24, description="How long a session of an older MCP protocol lasts before its client has to open another."
    )
    url: str | None = Field(None, description="Server that the CLI talks to. Unset: found through the data directory.")
    api_key: SecretStr | None = Field(
        None, description="Key that the CLI uses. Unset: found through the data directory."
    )

    secret_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="What confirm tokens, fingerprints and key hashes are keyed with; the same for every process of an "
        "installation. Unset: made once and kept in the data directory.",
    )
    webhook_secret: SigningSecret | None = Field(
        None,
        description="Standard Webhooks secret (whsec_...) from which those of projects come. Unset: of secret_key.",
    )
    webhook_secret_before: SigningSecret | None = Field(
        None, description="The webhook_secret before this one: webhooks are signed with both until it is unset."
    )
    webhook_shared_signature: bool = Field(
        False,
        description="Also sign webhooks with webhook_secret itself, as versions without one for each project did.",
    )
    secrets_dir: Path | None = Field(
        None,
        description="Folder of the secrets that webhooks may use: <folder>/<project>/NAME. Unset: there are none.",
    )

    installation: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = Field(
        "",
        description="Name that tells this installation from copies of its database. With another one nothing is "
        "sent until `tidegate fence release`.",
    )
    send_mode: Literal["capture", "live"] = Field(
        "capture", description="`capture` keeps every external effect inside; `live` sends."
    )
    max_audience: Count = Field(5000, description="The largest audience that one batch job may reach.")
    approval_over: Annotated[int, Field(ge=0)] | None = Field(
        None, description="A job over more people than this is held until a second person approves it. Unset: none is."
    )
    approval_hours: Count = Field(
        72, description="How long a held job waits for approval before it is rejected, in hours."
    )
    max_growth: Annotated[float, Field(ge=0, le=10)] = Field(
        0.1, description="Most that a schedule's audience may grow over the acknowledged count, as a share."
    )
    per_person: Annotated[str, Field(pattern=r"^([1-9][0-9]{0,2}/[1-9][0-9]{0,2})?$")] = Field(
        "", description="Most messages that one person may get in so many days, as `3/7`; empty: no such cap."
    )
    minimum_interval_minutes: Annotated[int, Field(ge=60)] = Field(
        60, description="Least time between two occurrences of a schedule, in minutes."
    )
    reach_per_day: Count | None = Field(
        None,
        description="People that one key and the keys below it may reach in a rolling day, over all jobs. Unset: for "
        "agents max_audience, for others no limit.",
    )
    max_churn: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="Largest share of an occurrence's people that may not have been among the confirmed ones. Unset: "
        "for agents 0.5, for others any.",
    )
    confirmation: Literal["relayed", "witnessed"] | None = Field(
        None,
        description="How an agent shows that a human said yes. `relayed`: it brings the count and the token. "
        "`witnessed`: a human confirms it themselves. Unset: `relayed` in send mode capture, `witnessed` in live.",
    )
    token_minutes: Annotated[int, Field(ge=1, le=1440)] = Field(
        15, description="How long a confirm token is good for, in minutes."
    )
    max_sends: Annotated[int, Field(ge=0, le=200)] = Field(
        5, description="Most sending steps on any path of a workflow: as many messages can one person get."
    )
    notify_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses of own colleagues, separated by commas: the only ones that an email step may name.",
    )
    outbound_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Hosts and networks (CIDR), separated by commas, that webhooks may reach although private."
    )
    outbound_ports: Annotated[tuple[Port, ...], NoDecode] = Field(
        (),
        description="Ports, separated by commas, that webhooks may use beside 80, 443 and, from 1024 on, those that no "
        "database, broker or the like has.",
    )

    outbound_per_host: Count = Field(50, description="Webhook requests that one process makes to a host at a time.")
    outbound_total: Count = Field(200, description="Webhook requests that one process makes at a time, to all hosts.")

    outbound_host_rate: Rate | None = Field(
        None, description="Most webhook requests to one host, by all processes: `100/minute`. Unset: no such rate."
    )
    send_rate: Rate | None = Field(
        None, description="Most messages of one project, by all processes: `100/minute`. Unset: no such rate."
    )

    chunk_size: Annotated[int, Field(ge=1, le=5000)] = Field(
        500, description="How many people a worker takes at a time."
    )
    drainers: Count = Field(8, description="How many workers may work on one job at the same time.")
    worker_processes: Count = Field(2, description="Worker processes that `tidegate up` runs.")
    worker_threads: Count = Field(4, description="Threads in each worker process.")
    sweep_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        1.0, description="How often the scheduler looks for lost work, due waits and due occurrences, in seconds."
    )
    catch_up_spread_seconds: Annotated[float, Field(ge=0)] = Field(
        60.0, description="Occurrences missed in an outage are made up spread over so many seconds after it."
    )
    statement_timeout_ms: Count = Field(5000, description="Longest that one audience query may take, in milliseconds.")
    pool_size: Count = Field(
        10, description="Database connections that one process keeps; at a peak it opens as many again."
    )

    smtp_url: Relay = Field(
        "smtp://localhost:25", repr=False, description="Mail server: smtp://, smtps:// or smtp+starttls://."
    )
    smtp_conversations: Count = Field(8, description="Conversations of one process with the mail server at a time.")
    smtp_rate: Rate | None = Field(
        None, description="Most emails to the mail server, by all processes: `14/second`. Unset: no such rate."
    )
    email_from: Sender | None = Field(None, description="Sender of emails whose step names none.")

    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="What Prometheus sends as its bearer token for /metrics. Unset: there is no such page.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    failpoints: str = Field("", description="For tests of what survives: where this process kills itself. Leave unset.")

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("outbound_allow", "outbound_ports", "mcp_allowed_hosts", "notify_addresses", mode="before")
    @classmethod
    def _split_on_commas(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("notify_addresses")
    @classmethod
    def _one_address_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(normalised(address) is None for address in value):
            raise ValueError("each is one address, such as ann@example.com")
        return known_addresses(value)

    @field_validator("failpoints")
    @classmethod
    def _known_failpoints(cls, value: str) -> str:
        failpoints.parse(value)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind the caller's back: `load_settings` has collected the values."""
        return (init_settings,)

    def people_per_chunk(self, people: int) -> int:
        """People in one chunk of a job over so many: the setting, or less for a small job so that all workers share."""
        share = -(-people // (CHUNKS_PER_WORKER * self.worker_processes))
        return max(SMALLEST_CHUNK, min(self.chunk_size, share))

    @property
    def base_url(self) -> str:
        """Where clients reach the server, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.http_host, self.http_host)  # noqa: S104
        return f"http://[{host}]:{self.http_port}" if ":" in host else f"http://{host}:{self.http_port}"

    def origin(self, name: str) -> str:
        """Where the value of a setting came from: `default`, `TIDEGATE_X`, `tidegate.toml` or `argument`."""
        return self._origins.get(name, "default")

    def shown(self, name: str) -> str:
        """The value of a setting as text that may be printed: no secret, no password of a URL."""
        value = getattr(self, name)
        if value is None:
            return ""
        if isinstance(value, tuple):
            return ", ".join(map(str, value))
        return masked(str(value))


def load_settings(
    environ: Mapping[str, str] | None = None, *, directory: Path | None = None, **arguments: Any
) -> Settings:
    """The settings of this process; StartupError with every problem at once.

    `arguments` win over the environment, which wins over the file in `directory` (the working directory). Those that
    are None count as not given. An empty environment variable counts as unset.
    """
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    # A line end at a value's end is the file's that it came from, and never meant.
    stripped = {name: value.strip() for name, value in (os.environ if environ is None else environ).items()}
    in_environment = {name: value for name, value in stripped.items() if value}
    in_file = read_file((directory or Path()) / FILE)
    layers: list[tuple[str, dict[str, Any]]] = [
        (FILE, in_file),
        ("environment", {known[name]: value for name, value in in_environment.items() if name in known}),
        ("argument", {name: value for name, value in arguments.items() if value is not None}),
    ]
    unknown = [name for name in in_environment if name.startswith(PREFIX) and name not in known]
    problems = [f"{name} is not a setting." for name in unknown if not _KUBERNETES.fullmatch(name)]
    problems += [f"{name} in {FILE} is not a setting." for name in in_file if name not in Settings.model_fields]
    values = {name: value for _, layer in layers for name, value in layer.items() if name in Settings.model_fields}
    origins = {name: origin for origin, layer in layers for name in layer}
    origins = {name: PREFIX + name.upper() if origin == "environment" else origin for name, origin in origins.items()}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += [sentence(problem["loc"], problem["msg"], origins) for problem in error.errors(include_input=False)]
    if problems:
        raise StartupError("\n".join([*problems, "`tidegate config show` lists the settings."]))
    settings._origins.update(origins)
    return settings


def child_environment(**changes: str | None) -> dict[str, str]:
    """Our environment with some variables set (text) or taken away (None), for a child process."""
    merged: dict[str, str | None] = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}
