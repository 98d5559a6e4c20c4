"""TOML to spec: reading, defaults with their reasons, and errors that name their place."""
