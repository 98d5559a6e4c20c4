"""Frozen records, shared by every floor: what was asked for, what was seen, what happened, what to do."""
