"""Deployed functions as tools of language models, by the Model Context Protocol (https://modelcontextprotocol.io)."""
