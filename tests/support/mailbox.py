"""A mail server of a test's, and people whose address is changed."""

from __future__ import annotations

from collections.abc import Callable

from engine.demo.receivers import SmtpReceiver
from tests.support.product import Product


class Mailbox:
    """A mail server that refuses what the test says."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.on_mail: Callable[[str], object] = lambda _: None
        self.smtp = SmtpReceiver(self._answer)

    def _answer(self, to: str) -> str | None:
        self.on_mail(to)
        return self.refusal

    @property
    def got(self) -> list[str]:
        return sorted(received.target for received in self.smtp.book.latest)


def swap(product: Product, name: str, address: str | None) -> None:
    """What an import of another address does."""
    product.execute("UPDATE people SET email = :to, address = :to WHERE distinct_id = :name", to=address, name=name)
