"""The door to the engine: HTTP and JSON over a unix socket."""
