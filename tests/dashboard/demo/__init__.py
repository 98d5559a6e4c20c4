"""Tests of the demo's own programs."""
