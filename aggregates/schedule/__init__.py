"""When a batch workflow is to run: its events and its guards."""
