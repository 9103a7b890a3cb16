"""A sub-batch of effects in, one outcome each; nothing raises because of one recipient."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from types import TracebackType
from typing import Self

from engine.clock import Clock, SystemClock
from engine.ids import jitter
from engine.secrets import Secrets
from engine.settings import Settings
from engine.signing import Signing
from workers.delivery.email import Emails, Relay
from workers.delivery.outbound import Outbound
from workers.delivery.retries import Outcome, Outgoing, Result
from workers.delivery.webhook import Webhooks

SECONDS = 40.0
"""Longest time that one sub-batch may take; the lease of its chunk is longer."""

SPARE_SECONDS = 5.0
MAIL_THREADS = 4


class Deliveries:
    """Carries effects out for one process: webhooks on one event loop of its own, emails in a few threads.

    May be called from several threads at once. What is sent in which mode is decided before: whatever comes
    here leaves.
    """

    def __init__(
        self, webhooks: Callable[[], Webhooks], emails: Emails, clock: Clock, seconds: float = SECONDS
    ) -> None:
        self._make_webhooks = webhooks
        self._webhooks: Webhooks | None = None
        self._emails = emails
        self._clock = clock
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._mail_threads = ThreadPoolExecutor(MAIL_THREADS, thread_name_prefix="mail")

    @classmethod
    def from_settings(cls, settings: Settings, secrets: Secrets) -> Deliveries:
        """As the operator has set it up. Each project's webhooks are signed with a secret of its own."""
        clock = SystemClock()
        signing = Signing.from_settings(settings, secrets)
        outbound = Outbound(settings.outbound_allow)
        emails = Emails(Relay.parse(settings.smtp_url), settings.email_from or "tidegate@localhost", clock.now, jitter)
        per_host, total = settings.outbound_per_host, settings.outbound_total

        def webhooks() -> Webhooks:
            return Webhooks(outbound, signing.secrets, clock.now, jitter, per_host=per_host, total=total)

        return cls(webhooks, emails, clock)

    def send_many(self, requests: Sequence[Outgoing]) -> list[Outcome]:
        """The outcome of each request, in their order. Takes at most about 45 seconds, whatever the world does."""
        begun = self._clock.monotonic()
        webhooks = [outgoing for outgoing in requests if outgoing.channel == "webhook"]
        # One hand-over to the other thread for all of them: each costs as much as a part of a request.
        together = asyncio.run_coroutine_threadsafe(self._together(webhooks), self._running()) if webhooks else None
        others = [(outgoing, self._begin(outgoing)) for outgoing in requests if outgoing.channel != "webhook"]
        outcomes = {}
        for outgoing, future in others:
            left = self._seconds + SPARE_SECONDS - (self._clock.monotonic() - begun)
            outcomes[outgoing.effect_id] = _settled(outgoing, future, left)
        if together is not None:
            # It ends by itself, unless the loop is gone.
            left = self._seconds + 2 * SPARE_SECONDS - (self._clock.monotonic() - begun)
            outcomes |= {outcome.effect_id: outcome for outcome in _told(webhooks, together, left)}
        return [outcomes[outgoing.effect_id] for outgoing in requests]

    def close(self) -> None:
        """Hang up. What is under way ends as it may; nothing more is taken. Closing twice is once."""
        self._mail_threads.shutdown(wait=True, cancel_futures=True)
        self._emails.close()
        with self._lock:
            loop, thread, webhooks = self._loop, self._thread, self._webhooks
            self._loop = self._thread = self._webhooks = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_hang_up(webhooks), loop).result(timeout=SPARE_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, outgoing: Outgoing) -> Future[Outcome]:
        if outgoing.channel == "email":
            deadline = self._clock.monotonic() + self._seconds
            return self._mail_threads.submit(self._emails.send, outgoing, deadline, self._clock.monotonic)
        done: Future[Outcome] = Future()
        done.set_result(Result("failed", "channel.unknown").outcome(outgoing, 0))
        return done

    async def _together(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        # Made on the loop's own thread, and only once somebody sends: it loads the certificates.
        if self._webhooks is None:
            self._webhooks = self._make_webhooks()
        deadline = asyncio.get_running_loop().time() + self._seconds
        tasks = [asyncio.create_task(self._webhooks.send(outgoing, deadline)) for outgoing in batch]
        with suppress(asyncio.CancelledError):  # when we hang up, what has been answered is still told
            await asyncio.wait(tasks, timeout=self._seconds + SPARE_SECONDS)
        return [_answered(outgoing, task) for outgoing, task in zip(batch, tasks, strict=True)]

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="webhooks", daemon=True)
                self._thread.start()
            return self._loop


async def _hang_up(webhooks: Webhooks | None) -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    if webhooks is not None:
        await webhooks.close()


def _told(batch: Sequence[Outgoing], together: Future[list[Outcome]], seconds: float) -> list[Outcome]:
    try:
        return together.result(timeout=max(seconds, 0.0))
    except (FutureTimeout, CancelledError):
        together.cancel()
        return [_late(outgoing) for outgoing in batch]


def _answered(outgoing: Outgoing, task: asyncio.Task[Outcome]) -> Outcome:
    if task.cancel() or task.cancelled():
        return _late(outgoing)
    error = task.exception()
    return task.result() if error is None else _broken(outgoing, error)


def _settled(outgoing: Outgoing, future: Future[Outcome], seconds: float) -> Outcome:
    try:
        return future.result(timeout=max(seconds, 0.0))
    except FutureTimeout:
        future.cancel()
        return _late(outgoing)
    except Exception as error:  # noqa: BLE001 - one recipient's defect is that recipient's outcome
        return _broken(outgoing, error)


def _late(outgoing: Outgoing) -> Outcome:
    return Result("retry", "timeout", sent=True).outcome(outgoing, 1)


def _broken(outgoing: Outgoing, error: BaseException) -> Outcome:
    # The error's kind is told; its text may hold a person's data.
    return Result("failed", f"internal.{type(error).__name__}", answered=True).outcome(outgoing, 1)
