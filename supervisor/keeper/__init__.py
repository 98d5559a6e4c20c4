"""The process that holds: parent of every worker, owner of sockets, with no policy. Standard library only."""
