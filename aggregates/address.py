"""One e-mail address, as it is stored and compared."""

from __future__ import annotations

import re

LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}", re.ASCII)
DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


def normalised(text: str) -> str | None:
    """The address in lower case with its domain in ASCII; None for what is not one plain address."""
    local, _, domain = text.strip().rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    fits = LOCAL.fullmatch(local) and DOMAIN.fullmatch(ascii_domain)
    return f"{local}@{ascii_domain}".lower() if fits else None
