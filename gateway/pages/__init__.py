"""Pages for a person with a browser: what runs and what was called, and the functions with their documents."""
