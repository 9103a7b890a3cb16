"""`python -m benchmarks.bare`: the raw limit beside the API: one endpoint of the same framework that asks one SELECT.

No key, no rate, no model, no middleware of ours: what is left of a request when it may do nothing. `BARE_DATABASE` is
a PostgreSQL URL; the port goes to standard output.
"""

from __future__ import annotations

import os
import socket

import uvicorn
from fastapi import FastAPI
from sqlalchemy import create_engine, text

THREADS = 40
"""As many connections as the framework has threads, so that nobody waits for one."""


def main() -> None:
    engine = create_engine(os.environ["BARE_DATABASE"], pool_size=THREADS, isolation_level="AUTOCOMMIT")
    app = FastAPI()

    def one() -> dict[str, int]:
        with engine.connect() as connection:
            return {"one": connection.execute(_ONE).scalar_one()}

    app.add_api_route("/one", one)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none")).run(sockets=[listener])


_ONE = text("SELECT 1")

if __name__ == "__main__":
    main()
