"""The views inside a test, brought to the end of the log."""

from __future__ import annotations

from sqlalchemy import Engine, bindparam, func, select

from projections.reads import VIEWS
from projections.runner import Runner
from projections.tables import log, view_positions


class Views:
    """Every view over a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        views = [view() for view in VIEWS]
        self._names = [view.name for view in views]
        self._runner = Runner(engine, views)
        self._runner.register()

    def catch_up(self) -> None:
        """Bring every view that does not stand still to where the log ends now.

        Another runner may have taken the last events and not committed; its rows are waited for.
        """
        with self._engine.connect() as connection:
            end = connection.execute(select(func.coalesce(func.max(log.c.notification_id), 0))).scalar_one()
        behind = True
        while behind:
            self._runner.catch_up()
            with self._engine.connect() as connection:
                places = connection.execute(_PLACES, {"names": self._names}).all()
            behind = any(place.position < end and place.stopped is None for place in places)


_PLACES = (
    select(view_positions.c.position, view_positions.c.stopped)
    .where(view_positions.c.name.in_(bindparam("names", expanding=True)))
    .with_for_update()
)
