"""Runs and supervises worker processes, and operates the proxies in front of them."""
