/* The smallest worker: tells when its main began, answers every request on $PORT with 200, and waits.

   worker [FIFO [crash]]: a line with the time, CLOCK_MONOTONIC in ns, and its pid goes there. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

static void tell(const char *path, struct timespec *now)
{
    char text[64];
    int fd = open(path, O_WRONLY);
    int length = snprintf(text, sizeof text, "%lld %d\n", now->tv_sec * 1000000000LL + now->tv_nsec, getpid());
    (void)!write(fd, text, length);
    close(fd);
}

static void serve(int port)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    char request[4096];
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64))
        exit(1);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        if (read(client, request, sizeof request) > 0)
            (void)!write(client, answer, sizeof answer - 1);
        shutdown(client, SHUT_WR);
        close(client);
    }
}

int main(int count, char **words)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (count > 1)
        tell(words[1], &now);
    if (count > 2)
        return 1;
    if (getenv("PORT"))
        serve(atoi(getenv("PORT")));
    for (;;)
        pause();
}
