"""The screen in a browser: served on loopback, to the one browser that has the token."""
