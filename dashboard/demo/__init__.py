"""The throw-away cluster of clusterctl demo: sample programs, traffic, and the verb."""
