"""A configuration file read into a ClusterSpec, or refused with every problem at once."""
