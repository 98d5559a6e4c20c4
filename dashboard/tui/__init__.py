"""The screen that clusterctl top shows."""
