// Node's own net and dgram: node.js KIND; KIND is echo, chat, oneshot or udp.
'use strict';
const kind = process.argv[2];

function served(server) {
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => console.log('port', server.address().port));
}

const members = new Set();
const handlers = {
  echo(socket) {
    socket.on('data', (data) => socket.write(data));
  },
  oneshot(socket) {
    socket.on('data', (data) => socket.end(data));
  },
  chat(socket) {
    let rest = '';
    members.add(socket);
    socket.setEncoding('utf8');
    socket.on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const out = Buffer.from(`${line}\n`);
        for (const member of members) if (member !== socket) member.write(out);
      }
    });
    socket.on('close', () => members.delete(socket));
  },
};

if (kind === 'udp') {
  const socket = require('dgram').createSocket('udp4');
  socket.on('message', (data, from) => socket.send(data, from.port, from.address));
  socket.bind(0, '127.0.0.1', () => console.log('port', socket.address().port));
} else {
  served(require('net').createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    handlers[kind](socket);
  }));
}
