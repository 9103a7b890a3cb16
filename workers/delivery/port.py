"""A sub-batch of effects in, one outcome each; nothing raises because of one recipient."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from aggregates.steps.base import Deliver
from aggregates.templates import Template
from engine.clock import Clock, SystemClock
from engine.secrets import Secrets
from engine.settings import Settings
from engine.signing import Signing
from workers.delivery.email import Emails
from workers.delivery.flight import Flight
from workers.delivery.outbound import Outbound
from workers.delivery.permit import Permit
from workers.delivery.places import Place, Places
from workers.delivery.relay import RELAY, Relay
from workers.delivery.retries import NOT_BEGUN, Outgoing, Result
from workers.delivery.webhook import Webhooks, place_of

CLOSE_SECONDS = 5.0


class Deliveries:
    """Carries effects out for one process: webhooks on one event loop of its own, emails in threads of their own.

    Used from any thread; nobody who begins something waits for it here. What is sent in which mode is decided before:
    whatever comes here leaves.
    """

    def __init__(self, webhooks: Callable[[], Webhooks], emails: Emails, places: Places, clock: Clock) -> None:
        self._make_webhooks = webhooks
        self._webhooks: Webhooks | None = None
        self._emails = emails
        self.places = places
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        # One for each conversation: whoever waits there keeps nobody else waiting.
        self._mail_threads = ThreadPoolExecutor(places.window(RELAY), thread_name_prefix="mail")

    @classmethod
    def from_settings(cls, settings: Settings, secrets: Secrets, clock: Clock | None = None) -> Deliveries:
        """As the operator has set it up. Each project's webhooks are signed with a secret of its own."""
        clock = clock or SystemClock()
        signing = Signing.from_settings(settings, secrets)
        outbound = Outbound(settings.outbound_allow, settings.outbound_ports)
        places = Places(
            clock.monotonic,
            per_host=settings.outbound_per_host,
            total=settings.outbound_total,
            conversations=settings.smtp_conversations,
        )
        emails = Emails(Relay.parse(settings.smtp_url), settings.email_from or "tidegate@localhost", clock.now, places)
        total = settings.outbound_total
        return cls(lambda: Webhooks(outbound, signing.secrets, clock.now, total=total), emails, places, clock)

    def monotonic(self) -> float:
        """The line on which a permit is read."""
        return self._clock.monotonic()

    def begin(self, requests: Sequence[Outgoing], looked_at: float) -> Flight:
        """Begin these calls, whose places are taken, unless the last look at their job and lease is too old by then."""
        flight = Flight(len(requests))
        if self._stopped.is_set():
            for outgoing in requests:
                self._land(flight, outgoing, NOT_BEGUN, 0.0)
            return flight
        permit = Permit(looked_at, self._clock.monotonic, self._stopped.is_set)
        webhooks = [outgoing for outgoing in requests if outgoing.channel == "webhook"]
        if webhooks:
            # One hand-over to the other thread for all of them: each costs as much as a part of a request.
            self._running().call_soon_threadsafe(self._together, webhooks, permit, flight)
        for outgoing in requests:
            if outgoing.channel == "email":
                self._mail_threads.submit(self._mail, outgoing, permit, flight)
            elif outgoing.channel != "webhook":
                self._land(flight, outgoing, Result("failed", "channel.unknown", free=True), 0.0)
        return flight

    def stop(self) -> None:
        """Begin nothing more. What is under way goes on."""
        self._stopped.set()

    def close(self) -> None:
        """Hang up: what is under way now has no outcome that anybody knows. Closing twice is once."""
        self.stop()
        self._emails.close()
        self._mail_threads.shutdown(wait=True)
        with self._lock:
            loop, thread, webhooks = self._loop, self._thread, self._webhooks
            self._loop = self._thread = self._webhooks = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_hang_up(webhooks), loop).result(timeout=CLOSE_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _mail(self, outgoing: Outgoing, permit: Permit, flight: Flight) -> None:
        begun = self._clock.monotonic()
        try:
            result = self._emails.send(outgoing, permit)
        except Exception as error:  # noqa: BLE001 - one recipient's defect is that recipient's outcome
            result = _broken(error)
        self._land(flight, outgoing, result, self._clock.monotonic() - begun)

    def _together(self, batch: Sequence[Outgoing], permit: Permit, flight: Flight) -> None:
        # Made on the loop's own thread, and only once somebody sends: it loads the certificates.
        if self._webhooks is None:
            self._webhooks = self._make_webhooks()
        loop = asyncio.get_running_loop()
        for outgoing in batch:
            task = loop.create_task(self._call(self._webhooks, outgoing, permit, flight))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, webhooks: Webhooks, outgoing: Outgoing, permit: Permit, flight: Flight) -> None:
        begun = self._clock.monotonic()
        result = Result("retry", "connection.lost", sent=True)
        try:
            result = await webhooks.send(outgoing, permit)
        except Exception as error:  # noqa: BLE001 - one recipient's defect is that recipient's outcome
            result = _broken(error)
        finally:  # when we hang up as well
            self._land(flight, outgoing, result, self._clock.monotonic() - begun)

    def _land(self, flight: Flight, outgoing: Outgoing, result: Result, seconds: float) -> None:
        self.places.give_back(outgoing.place, outgoing.project_id, result.heard, seconds, result.retry_after)
        flight.land(result.outcome(outgoing))

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="webhooks", daemon=True)
                self._thread.start()
            return self._loop


def place_for(plan: Deliver) -> Place:
    """Where a step sends, known before anything is rendered: no template has a say in the host."""
    if plan.channel != "webhook":
        return RELAY
    url = plan.request.tree.get("url") if isinstance(plan.request.tree, dict) else None
    return place_of(url.source if isinstance(url, Template) else str(url))


async def _hang_up(webhooks: Webhooks | None) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if webhooks is not None:
        await webhooks.close()


def _broken(error: BaseException) -> Result:
    # The error's kind is told; its text may hold a person's data.
    return Result("failed", f"internal.{type(error).__name__}", answered=True)
