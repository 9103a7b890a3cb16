"""An event that a view cannot take, until an operator lets the view pass over it, and builds it again once it can."""

from __future__ import annotations

import time

from benchmarks.chaos.load import Load
from benchmarks.chaos.stage import Stage

VIEW = "workflows"
NAME = "poison"
PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.2

_REFUSE = f"""
CREATE OR REPLACE FUNCTION chaos_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION 'poison'; END $$;
DROP TRIGGER IF EXISTS chaos ON {VIEW};
CREATE TRIGGER chaos BEFORE INSERT ON {VIEW} FOR EACH ROW WHEN (NEW.name = '{NAME}') EXECUTE FUNCTION chaos_refuse()
"""
_ALLOW = f"DROP TRIGGER IF EXISTS chaos ON {VIEW}"
_STOPPED = "SELECT 1 FROM view_positions WHERE name = %s AND stopped IS NOT NULL"


class PoisonEvent:
    """The view's table refuses one workflow's name: the event is right, and cannot be taken."""

    def __init__(self, stage: Stage, load: Load) -> None:
        self._stage = stage
        self._load = load
        self.ill = False
        self.passed_over = 0

    def give(self) -> None:
        """From the event to a view that has it after all. What an outage interrupts is left to `cure`."""
        self.ill = True
        with self._stage.connect() as connection:
            connection.execute(_REFUSE)
        self._load.make_workflow(NAME)
        if self._stands_still():
            code, _ = self._stage.by_hand("views", "skip", VIEW, "--reason", "chaos")
            self.passed_over += code == 0
        self.cure()

    def cure(self) -> None:
        """The view takes everything again, and is built from the log if it may have passed over something."""
        if self.ill:
            with self._stage.connect() as connection:
                connection.execute(_ALLOW)
            code, _ = self._stage.by_hand("views", "rebuild", VIEW)
            self.ill = code != 0

    def _stands_still(self) -> bool:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with self._stage.connect() as connection:
                if connection.execute(_STOPPED, [VIEW]).fetchone() is not None:
                    return True
            time.sleep(LOOK_SECONDS)
        return False
