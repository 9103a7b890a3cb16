"""Secrets that a webhook uses: how a template names one, where it may go, and what must not be written out.

`{{ secrets.NAME }}` is resolved when a request leaves, and nowhere else: until then it reads as `***`.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote

from aggregates.errors import Problem
from aggregates.places import MASK
from aggregates.shape import echo

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
EXAMPLE = "Bearer {{ secrets.API_TOKEN }}"

_MENTION = re.compile(r"\{[{%][^}]*\bsecrets\b")

_CREDENTIAL_WORDS = frozenset("apikey auth authentication authorization cookie credential credentials".split())
_CREDENTIAL_WORDS |= frozenset("jwt passwd password secret token tokens".split())
_KEYS = frozenset("access api app application auth functions private secret subscription".split())


class SecretUse(NamedTuple):
    """A secret that a step uses: where in the config, its name, and the host (with a port, if any) that gets it."""

    pointer: str
    name: str
    host: str


class Masked(dict[str, Any]):
    """What templates see of secrets wherever nothing is sent: every name there is, and no value."""

    def get(self, name: str, default: Any = None) -> Any:
        return MASK


MASKED = Masked()


@dataclass(frozen=True)
class Secret:
    """A secret and the hosts that may get it; None for any host."""

    value: str = field(repr=False)
    hosts: tuple[str, ...] | None = None

    def permits(self, host: str) -> bool:
        """Whether a host with its port may get it. An entry without a port is the one of HTTPS, and no other."""
        return self.hosts is None or any(_is_host(host, allowed) for allowed in self.hosts)


@dataclass(frozen=True)
class SecretsInUse:
    """The secrets that go into one request."""

    secrets: Mapping[str, Secret] = field(default_factory=dict)

    def permits(self, host: str) -> bool:
        """Whether each of them may go to this host."""
        return all(secret.permits(host) for secret in self.secrets.values())

    @property
    def values(self) -> dict[str, Any]:
        return {name: secret.value for name, secret in self.secrets.items()}

    def masked(self, text: str | None) -> str | None:
        """A text of the other side without them: they may have come back in it, as they were sent or encoded."""
        for spelling in self._spellings if text else ():
            text = text.replace(spelling, MASK) if text else text
        return text

    @cached_property
    def _spellings(self) -> list[str]:
        """How the other side may write them, the longest first, so that no part of one is left."""
        found: set[str] = set()
        for value in (secret.value for secret in self.secrets.values()):
            raw = value.encode()
            found |= {value, quote(value), quote(value, safe=""), raw.decode("latin-1"), json.dumps(value)[1:-1]}
            found.add(b64encode(raw).decode().rstrip("="))
        return sorted(found, key=len, reverse=True)


NONE_IN_USE = SecretsInUse()


def named_plainly(paths: Iterable[tuple[str, ...]], *, plain: bool) -> tuple[frozenset[str], list[Problem]]:
    """The secrets among the names that a template reads. `plain`: it has no tags and no filters.

    Anything cleverer than the plain name is refused: a condition on a secret, or a part of one, would tell of it.
    """
    named = [path for path in paths if path[:1] == ("secrets",)]
    names = frozenset(path[1] for path in named if len(path) == 2 and NAME.fullmatch(path[1]))
    if not named or (plain and len(names) == len(set(named))):
        return names, []
    message = "A secret is named plainly, with capital letters, in a text without tags and filters."
    return frozenset(), [Problem("", "template.secrets_refused", message, None, "{{ secrets.NAME }}", EXAMPLE)]


def mentions(text: str) -> bool:
    """Whether a text that is no template of ours reads as one that names secrets."""
    return _MENTION.search(text) is not None


def is_credential(header: str) -> bool:
    """Whether a header carries credentials, by its name: those that are known, and what is called like them."""
    words = [word for word in re.split(r"[-_.]", header.lower()) if word]
    return bool(_CREDENTIAL_WORDS & set(words)) or any(
        first in _KEYS and second == "key" for first, second in pairwise(words)
    )


def literal_problems(
    headers: Mapping[str, str], names_of: Callable[[str], Sequence[str] | frozenset[str]], at: Callable[[str], str]
) -> Iterator[Problem]:
    """One problem for each header that carries credentials and names no secret."""
    for name, value in headers.items():
        if is_credential(name) and not names_of(value):
            message = "Credentials are not written out: they would be readable wherever the workflow is."
            yield Problem(at(name), "webhook.literal_secret", message, echo(name), "{{ secrets.NAME }}", EXAMPLE)


def _is_host(host: str, allowed: str) -> bool:
    (name, port), (wanted, wanted_port) = _parted(host), _parted(allowed)
    if port != wanted_port:
        return False
    return name.endswith(wanted[1:]) if wanted.startswith("*.") else name == wanted


def _parted(host: str) -> tuple[str, str]:
    """Name and port, compared without case and without the dot at the end. Without a port it is that of HTTPS."""
    name, colon, port = host.lower().rpartition(":")
    if not colon or port.endswith("]"):
        name, port = host.lower(), "443"
    return name.rstrip("."), port
