/* A sensor in C: cc -o device device.c && ./device 4020
 * In a stream a packet stands behind its length, two bytes; that is all that a device must know of framing. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(argc > 1 ? argv[1] : "4020"))};
    unsigned char packet[] = {0, 7, /* device */ 0, 9, /* sequence */ 0, 0, /* channel */ 1, /* value */ 0x08, 0x66};
    unsigned char answer[5]; /* its length, 3; ACK or NACK; a sequence number */
    int connection = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
    if (connect(connection, (struct sockaddr *)&server, sizeof server) != 0
        || write(connection, packet, sizeof packet) != sizeof packet
        || recv(connection, answer, sizeof answer, MSG_WAITALL) != sizeof answer) {
        perror("device");
        return 1;
    }
    printf("%s %d\n", answer[2] == 0x06 ? "ACK" : "NACK", answer[3] << 8 | answer[4]);
    return 0;
}
