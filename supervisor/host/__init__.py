"""This machine: launching through the keeper, sampling, probing, logs."""
