"""The screens: each owns its keys and handlers, and reads the mirror."""
