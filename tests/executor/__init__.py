"""Real zygotes and executors under a real supervisor, called by a gateway of the tests."""
