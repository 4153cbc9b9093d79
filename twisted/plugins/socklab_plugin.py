"""Makes `twistd socklab` known; the program itself is `socklab.service`."""

from twisted.application.service import ServiceMaker

socklab = ServiceMaker(
    "socklab",
    "socklab.starting",
    "socket laboratory and protocol server: echo, chat, one-shot over TCP, UDP, WebSocket",
    "socklab",
)
