"""The terminal side: verbs and the screen."""
