"""Widgets that draw line by line and know no cluster."""
