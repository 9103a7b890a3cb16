"""Messages over SMTP. The Message-ID of an effect is the same on every try, so a receiver can tell a repeat."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable
from datetime import datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any

from aggregates.address import normalised
from workers.delivery.permit import Permit
from workers.delivery.places import Places
from workers.delivery.relay import Conversations, Full, Refused, Relay, converse, hand_over
from workers.delivery.retries import NOT_BEGUN, Outgoing, Result

# Seven-bit bodies pass through every server; the library folds and encodes what nobody outside has a say in.
POLICY = SMTP.clone(cte_type="7bit")

ENCODED = "=?"
"""How an encoded word begins (RFC 2047). The library decodes one in any text that it makes a header of, and writes what
comes out as it is, line ends among it: so no text from outside that may have one becomes a header there."""

WORD = 60
"""Longest word of a header that is not encoded: lines are folded between words only, and none of them may be blank."""

# The recipient's address is wrong (RFC 3463, X.1.1 to X.1.4, and RFC 7505); X.1.7 and X.1.8 speak of the sender's.
NO_SUCH_ADDRESS = re.compile(r"5\.1\.(?:[1-46]|10)\b")

# A line that ends without the next one going on with it, or with a bare CR or LF.
BREAK = re.compile(r"\r(?!\n )|(?<!\r)\n")


class Emails:
    """Sends messages from any number of threads."""

    def __init__(self, relay: Relay, sender: str, now: Callable[[], datetime], places: Places) -> None:
        self._sender = sender
        self._now = now
        self._conversations = Conversations(relay.connect, places)

    def send(self, outgoing: Outgoing, permit: Permit) -> Result:
        """One call, if a conversation is free as long as it may begin."""
        try:
            message, recipient, sender = self._message(outgoing)
        except (ValueError, MessageError, KeyError, IndexError):
            return Result("failed", "address.invalid", free=True)
        left: list[bool] = []
        try:
            with self._conversations.one(permit) as server:
                converse(server, sender, recipient)
                if not permit.holds():
                    raise TimeoutError("the relay took too long before the message")
                answer = hand_over(server, message, lambda: left.append(True))
            return Result("succeeded", provider_id=_queue_id(answer), heard="fine")
        except Full:
            return NOT_BEGUN
        except Refused as refusal:
            return _refused(refusal)
        except smtplib.SMTPAuthenticationError:
            return Result("retry", "smtp.login", heard="silent")
        except (smtplib.SMTPException, OSError):
            error = "connection.lost" if left else "connect.failed"
            return Result("retry", error, sent=bool(left), heard="silent")

    def close(self) -> None:
        """End every conversation. A message whose outcome is waited for has none then that anybody knows."""
        self._conversations.close()

    def _message(self, outgoing: Outgoing) -> tuple[bytes, str, str]:
        """The message as bytes, and the envelope. ValueError if the recipient is not one plain address."""
        request = outgoing.request
        recipient = _address(str(request["to"]).strip())
        written = str(request.get("from") or self._sender)
        name, sender = parseaddr(written)
        sender = _address(sender)
        # Both: what is read of the name may be less than was written, or have quotes and comments taken off.
        if ENCODED in written or ENCODED in name:
            raise ValueError("a sender's name is written as it is read")
        message = EmailMessage(policy=POLICY)
        message["Message-ID"] = f"<{outgoing.effect_id}@{sender.rpartition('@')[2]}>"
        message["Date"] = format_datetime(self._now())
        message["From"] = Address(name, addr_spec=sender)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(str(request["text"]))
        if request.get("html") is not None:
            message.add_alternative(str(request["html"]), subtype="html")
        subject = " ".join(str(request["subject"]).split())
        return _line("To", recipient) + _line("Subject", _shown(subject)) + message.as_bytes(), recipient, sender


def _refused(refusal: Refused) -> Result:
    """A reply of 5xx is for good, any other may pass and costs no attempt. What is said of our conversation is said of
    the relay: a 5xx in its first line is no recipient's fault."""
    error = f"smtp.{refusal.code}"
    if refusal.ours:
        asks = 400 <= refusal.code < 500
        return Result("retry", error, free=asks, heard="later" if asks else "silent")
    if 500 <= refusal.code < 600:
        return Result("failed", error, heard="fine", bounced=bool(NO_SUCH_ADDRESS.match(refusal.text)))
    return Result("retry", error, free=True, heard="fine")


def _address(text: str) -> str:
    """One plain address as it is written, at the domain that was confirmed; ValueError for anything else."""
    found = normalised(text)
    # A mail program may decode an address that looks encoded, and show another one.
    if found is None or ENCODED in found:
        raise ValueError("not one plain address")
    local, _, domain = found.rpartition("@")
    written = text.strip().rpartition("@")[0]
    return f"{written if written.isascii() and written.lower() == local else local}@{domain}"


def _shown(text: str) -> str:
    """A header's text so that it is read as exactly this; ValueError or MessageError if it cannot be written."""
    plain = text.isascii() and text.isprintable() and ENCODED not in text and len(max(text.split(" "), key=len)) <= WORD
    return Header(text, "us-ascii" if plain else "utf-8", header_name="Subject").encode(linesep="\r\n")


def _line(name: str, written: str) -> bytes:
    """A header that is finished: nothing parses it again. ValueError if it would be more than one."""
    if BREAK.search(written):
        raise ValueError("a header ends where its line ends")
    return f"{name}: {written}\r\n".encode("ascii")


def _queue_id(answer: Any) -> str | None:
    """What the server says of the message it took, usually its queue id."""
    text = answer.decode("latin-1")[:200] if isinstance(answer, bytes) else ""
    return text if text and text.isprintable() else None
