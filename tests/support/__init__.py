"""What the tests share: waiting for a state, databases of their own, processes to kill."""
