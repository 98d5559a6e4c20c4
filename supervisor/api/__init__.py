"""The door: HTTP over a unix socket."""
