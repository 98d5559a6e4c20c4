"""A stub engine: hands its descriptors to the test, then lives on until the test sends an exit code."""

import os
import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as test:
    test.connect(sys.argv[1])
    fds = [int(os.environ["CLUSTERCTL_KEEPER_FD"]), int(os.environ["CLUSTERCTL_API_FD"])]
    socket.send_fds(test, [str(os.getpid()).encode()], fds)
    for fd in fds:
        os.close(fd)
    code = test.recv(8)
sys.exit(int(code or b"0"))
