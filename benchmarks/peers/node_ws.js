// The ws library (with bufferutil, if it is there) on Node: node_ws.js KIND; KIND is ws-echo, ws-chat or ws-oneshot.
'use strict';
const { WebSocketServer } = require('ws');

const members = new Set();
const handlers = {
  'ws-echo'(socket) {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  },
  'ws-oneshot'(socket) {
    socket.on('message', (data, binary) => {
      socket.send(data, { binary });
      socket.close(1000);
    });
  },
  'ws-chat'(socket) {
    members.add(socket);
    socket.on('message', (data, binary) => {
      for (const member of members) if (member !== socket) member.send(data, { binary });
    });
    socket.on('close', () => members.delete(socket));
  },
};

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, backlog: 1024, perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('error', () => socket.terminate());
  handlers[process.argv[2]](socket);
});
server.on('listening', () => console.log('port', server.address().port));
