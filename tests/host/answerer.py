"""A worker for probes: answers on a listening socket that it inherits, with its pid, and closes at once.

python answerer.py FD [--keep]      --keep: the connection stays open until the asker closes it
python answerer.py FD --sleep       holds the socket and never accepts
"""

import signal
import socket
import sys


def main() -> None:
    if "--sleep" in sys.argv:
        signal.pause()
    listening = socket.socket(fileno=int(sys.argv[1]))
    while True:
        connection, _ = listening.accept()
        with connection:
            asked = b""
            while not asked.endswith(b"\r\n\r\n") and (piece := connection.recv(4096)):
                asked += piece
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if "--keep" in sys.argv:
                connection.recv(1)


if __name__ == "__main__":
    main()
