"""The sole owner of mutable state: ledger, inbox loop, journal, feed."""
