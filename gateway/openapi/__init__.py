"""The OpenAPI document of this server, with a path for each deployed function, and the page that shows it."""
