"""One fan-out of one workflow version over one frozen audience: its events and its guards."""
