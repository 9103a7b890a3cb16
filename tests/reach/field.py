"""A live installation under attack: every door, a real mail server and HTTP receiver, one worker in this process.

Nothing happens by itself: `work` does all that there is to do at this moment, so a test knows what has left the house.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import MCPError

from commands.grants import AGENT_SCOPES, SCOPES
from engine.demo.receivers import HttpReceiver, SmtpReceiver
from engine.ids import new_id
from tests.doors.doors import Key as DoorKey
from tests.doors.doors import Mcp
from tests.support.product import Json, Product, batch, person
from tests.support.serving import following, serving
from tests.workers.conftest import Workshop

EMAIL: Json = {"id": "mail", "name": "Mail", "type": "email", "config": {"subject": "Hello", "text": "Good day."}}
MANUAL: Json = {"type": "manual", "inputs": {"to": {"type": "address", "required": True}}}
TO_INPUT: Json = {**EMAIL, "config": {**EMAIL["config"], "to": "{{ inputs.to }}"}}

AT_WORK = "SELECT id FROM stream_heads WHERE kind = 'batch_job' AND status IN ('queued', 'running', 'cancelling')"


class Mailbox(SmtpReceiver):
    """A mail server that refuses every recipient with `reply` while there is one, such as `550 5.7.1 Not today`."""

    def __init__(self) -> None:
        self.reply: str | None = None
        self.to: Counter[str] = Counter()
        super().__init__(lambda _: self.reply)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Called by the library for every message."""
        self.to.update(envelope.rcpt_tos)
        return await super().handle_DATA(server, session, envelope)


@dataclass(frozen=True)
class Said:
    """What a door answers: `code` is `ok` or the refusal's."""

    code: str
    data: Json

    @property
    def ok(self) -> Json:
        assert self.code == "ok", self.data
        return self.data

    def done(self) -> None:
        """It was accepted; what it says is of no interest."""
        assert self.code == "ok", self.data


class Field:
    """The product, live, with the doors, the sinks and the people of a test."""

    def __init__(self, product: Product, mail: Mailbox, portal: BlockingPortal, stack: ExitStack) -> None:
        self.product = product
        self.mail = mail
        self.hook = stack.enter_context(HttpReceiver())
        self.workshop = Workshop(product)
        stack.callback(self.workshop.deliveries.close)
        url = stack.enter_context(serving(product.system))
        self._client = httpx2.Client(base_url=f"{url}/api/v1", timeout=60, trust_env=False)
        stack.callback(self._client.close)
        self._mcp = Mcp(f"{url}/mcp", portal, stack)
        self._studio = Mcp(f"{url}/mcp/studio", portal, stack)
        self.owner = self.key("owner")
        self.human = self.key("human")

    # -- keys; those of the machine are roots of their own

    def key(self, name: str, *, scopes: frozenset[str] | None = None, agent: bool = False, **fields: Any) -> DoorKey:
        system = self.product.system
        chosen = scopes if scopes is not None else AGENT_SCOPES if agent else SCOPES
        with system.engine.begin() as connection:
            id, plain = system.keyring.create(
                connection,
                fields.pop("project_id", self.product.project_id),
                name=name,
                scopes=sorted(chosen),
                agent=agent,
                now=self.product.clock.now(),
                **fields,
            )
        return DoorKey(id, plain, frozenset(chosen), agent)

    def agent(self, name: str = "agent", **fields: Any) -> DoorKey:
        return self.key(name, agent=True, **fields)

    # -- doors

    def http(self, key: DoorKey, method: str, path: str, body: Any = None, **headers: str) -> Said:
        headers["Authorization"] = f"Bearer {key.plain}"
        sent: Json = {} if body is None else {"json": body}
        if isinstance(body, bytes):
            headers["Content-Type"], sent = "text/csv", {"content": body}
        answer = self._client.request(method, path, headers=headers, **sent)
        data = answer.json() if answer.content else {}
        return Said("ok" if answer.is_success else data["code"], data)

    def post(self, key: DoorKey, path: str, body: Any = None, **headers: str) -> Said:
        if path.endswith("/run"):
            headers.setdefault("Idempotency-Key", new_id().hex)
        return self.http(key, "POST", path, body, **headers)

    def tool(self, key: DoorKey, name: str, /, *, studio: bool = False, **arguments: Any) -> Said:
        door = self._studio if studio else self._mcp
        if name == "run_workflow":
            arguments.setdefault("idempotencyKey", new_id().hex)
        try:
            data, is_error = door.call(key, name, arguments)
        except MCPError as error:
            return Said("mcp.error", {"message": str(error)})
        return Said(data["code"] if is_error else "ok", data)

    # -- what there is

    def people(self, *rows: str, header: str = "distinct_id,email,plan", key: DoorKey | None = None) -> Said:
        """Import rows such as `ann,ann@example.com,pro`."""
        text = "\n".join([header, *rows]) + "\n"
        return self.post(key or self.owner, "/people:import?format=csv", text.encode())

    def crowd(self, count: int, plan: str = "pro", first: int = 0) -> None:
        self.people(*(f"p{n},p{n}@example.com,{plan}" for n in range(first, first + count))).done()

    def workflow(self, key: DoorKey | None = None, *, active: bool = True, **content: Any) -> str:
        """A workflow that writes to everybody of the plan pro, unless told otherwise."""
        key = key or self.owner
        whole = {"name": "Letter", "trigger": batch(person("plan", "exact", ["pro"])), "steps": [EMAIL], **content}
        id = str(self.post(key, "/workflows", whole).ok["workflow_id"])
        if active:
            self.post(key, f"/workflows/{id}/activate").done()
        return id

    def size(self, key: DoorKey, workflow: str, **body: Any) -> Said:
        return self.post(key, f"/workflows/{workflow}/blast-radius", body)

    def run(self, key: DoorKey, workflow: str, sizing: Json | None = None, **body: Any) -> Said:
        """Run over what a sizing said, a fresh one unless it is given."""
        sizing = sizing or self.size(key, workflow).ok
        proof = {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}
        return self.post(key, f"/workflows/{workflow}/run-batch", {**proof, **body})

    def confirm(self, key: DoorKey, id: str, count: int) -> Said:
        """What a human does at a confirm_url."""
        return self.post(key, f"/confirmations/{id}/confirm", {"acknowledged_affected_count": count})

    def status(self, job: str) -> str:
        return str(self.http(self.owner, "GET", f"/batch-jobs/{job}?min_position={self.position}").ok["status"])

    def runs(self, job: str) -> list[Json]:
        path = f"/batch-jobs/{job}/runs?limit=200&min_position={self.position}"
        return list(self.http(self.owner, "GET", path).ok["data"])

    def reasons(self, job: str) -> Counter[str]:
        """How the runs of a job ended: `delivered`, or the reason."""
        return Counter(run["reason"] or run["status"] for run in self.runs(job))

    @property
    def position(self) -> int:
        return self.product.log_position()

    # -- what happens

    def work(self) -> None:
        """Enrol, walk and send all that may be at this moment."""
        self.workshop.scheduler.wake()
        bells = self.workshop.bells
        for (job_id,) in self.product.execute(AT_WORK):
            bells.ring(job_id)
            while bells.rung:
                self.workshop.fanout.advance(str(bells.rung.pop()))

    def at_next(self, schedule: str) -> None:
        """Let the next occurrence of a schedule come, be decided and done."""
        row = self.http(self.owner, "GET", f"/schedules/{schedule}?min_position={self.position}").ok
        ahead = datetime.fromisoformat(row["next_occurrence"]) - self.product.clock.now()
        self.later(seconds=ahead.total_seconds() + 1)

    def later(self, **time: float) -> None:
        """Let time pass, with all that is due in it decided and done."""
        self.product.clock.advance(**time)
        self.workshop.scheduler.fire()
        self.work()

    @property
    def mailed(self) -> Counter[str]:
        """Messages by the address that they went to."""
        return Counter(self.mail.to)


@contextmanager
def opened(database_url: str, home: Path, **settings: Any) -> Iterator[Field]:
    """A field over a fresh database; live unless told otherwise."""
    with ExitStack() as stack:
        mail = stack.enter_context(Mailbox())
        given: Json = {
            "send_mode": "live",
            "outbound_allow": ("127.0.0.0/8",),
            "smtp_url": f"smtp://127.0.0.1:{mail.port}",
            "email_from": "Tidegate <hello@example.com>",
            "catch_up_spread_seconds": 0.0,
            **settings,
        }
        product = Product(database_url, home, **given)
        stack.callback(product.close)
        stack.enter_context(following(product.system))
        portal = stack.enter_context(start_blocking_portal())
        yield Field(product, mail, portal, stack)
