// SPDX-License-Identifier: MIT
// client.js WAY PORT, client.js server CERT KEY: the everyday ways in which programs of Node.js end TLS on 127.0.0.1.
'use strict';

const [way, port, key] = process.argv.slice(2);
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.removeAllListeners('warning');

function hello(then) {
  const socket = require('tls').connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => socket.write('hello'));
  socket.once('data', (data) => {
    console.log(data.length);
    then(socket);
  });
}

const ways = {
  end: () => hello((socket) => socket.end()),
  destroy: () => hello((socket) => socket.destroy()),
  exit: () => hello(() => process.exit(0)),
  https: () => require('https').get({ port, host: '127.0.0.1', agent: false }, (answer) => {
    let length = 0;
    answer.on('data', (data) => { length += data.length; }).on('end', () => console.log(length));
  }),
  fetch: async () => console.log((await (await fetch(`https://127.0.0.1:${port}/`)).text()).length),
  http2: () => {
    const createConnection = () => require('tls').connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const session = require('http2').connect(`https://127.0.0.1:${port}`, { createConnection });
    session.once('localSettings', () => {
      console.log('acknowledged');
      session.destroy();
    });
  },
  server: () => {
    const fs = require('fs');
    const server = require('tls').createServer({ cert: fs.readFileSync(port), key: fs.readFileSync(key) }, (socket) => {
      socket.once('data', (data) => socket.write(Buffer.concat(Array(100).fill(data)), () => socket.destroy()));
      server.close();
    }).listen(0, '127.0.0.1');
  },
};
ways[way]();
