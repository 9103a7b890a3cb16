"""The address of a person: the one form in which two addresses are the same or are not.

Import, duplicates, opt-outs, suppressions, conditions, fingerprints, the sender and the envelope all ask `normalised`.
"""

from __future__ import annotations

import re
import unicodedata

import idna

LENGTH = 254
"""Longest address, in characters of its normalised form (RFC 5321)."""

LOCAL_LENGTH = 64
DOMAIN_LENGTH = 253

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TOP = r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*{_TOP}")
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)*{_TOP}")
_BLANKS = " \t\r\n\f\v"


def normalised(text: str) -> str | None:
    """One plain address in the form that is compared and stored, or None: not an address.

    The local part is case-folded, the domain is in its IDNA 2008 A-label form; blanks around it are dropped. A `+tag`
    stays: with it, it is another address. A local part beyond ASCII, which needs SMTPUTF8, is not an address here.
    """
    text = text.strip(_BLANKS)
    # Nearly every address is plain: one pattern, and done.
    if text.isascii() and "xn--" not in (lowered := text.lower()):
        return lowered if _PLAIN.fullmatch(lowered) and _fits(lowered) else None
    # NFC can turn a letter into an ASCII one (the Kelvin sign is a K), which is the same letter to every reader.
    local, at, domain = unicodedata.normalize("NFC", text).rpartition("@")
    if not at:
        # The fullwidth @ is one in the compatibility form only; in the local part that form would be another mailbox.
        local, at, domain = text.rpartition("\uff20")
    if not at or not local.isascii() or not _LOCAL.fullmatch(local):
        return None
    ascii_domain = _a_labels(domain)
    if ascii_domain is None:
        return None
    address = f"{local.lower()}@{ascii_domain}"
    return address if _fits(address) else None


def _a_labels(domain: str) -> str | None:
    """The domain in ASCII. UTS 46 maps case, width and compatibility forms first, NFKC among them."""
    try:
        mapped = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError, ValueError):
        return None
    return mapped if _DOMAIN.fullmatch(mapped) else None


def _fits(address: str) -> bool:
    local = address.index("@")
    return local <= LOCAL_LENGTH and len(address) <= LENGTH and len(address) - local - 1 <= DOMAIN_LENGTH
