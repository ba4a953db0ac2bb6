"""Every adapter against a stand-in for its provider, by the same tests."""
