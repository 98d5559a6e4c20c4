"""What reloads lose, side by side: clusterctl, a naive restart, and the peers that are installed."""
