// SPDX-License-Identifier: MIT
// One connection in node, and one end: node.js PORT TLS SIZE END. It writes SIZE bytes and ends once they are with the kernel. A client
// (PORT is that of the judge) or a server (PORT is 0, and "listening PORT" is printed first). Prints how the connection came to its end.
'use strict';
const fs = require('fs');
const tls = require('tls');
const { Worker, isMainThread, workerData } = require('worker_threads');

const [port, version, size, end] = isMainThread ? process.argv.slice(2) : workerData;
const v = { minVersion: `TLSv${version}`, maxVersion: `TLSv${version}` };
const letters = Buffer.alloc(+size, 'abcdefghijklmnopqrstuvwxyz');
const ends = {
  end: (socket) => socket.end(),
  destroy_soon: (socket) => socket.destroySoon(),
  destroy: (socket) => socket.destroy(),
  destroy_unread: (socket) => socket.destroy(),
  worker: (socket) => socket.destroy(),
  exit: () => process.exit(0),
  exit_unread: () => process.exit(0),
  exit_3: () => process.exit(3),
  kill: () => process.kill(process.pid, 'SIGKILL'),
};

function begins(socket) {
  const then = () => ends[end](socket);
  socket.on('error', () => {});
  socket.on('close', (failed) => console.log(failed ? 'failed' : 'closed'));
  if (!end.endsWith('_unread')) socket.resume();
  if (letters.length) socket.write(letters, (error) => error || then());
  else then();
}

if (end === 'worker' && isMainThread) {
  new Worker(__filename, { workerData: process.argv.slice(2) });
} else if (+port) {
  const socket = tls.connect({ host: '127.0.0.1', port: +port, rejectUnauthorized: false, ...v }, () => begins(socket));
  socket.on('error', () => {});
} else {
  const pki = (name) => fs.readFileSync(`${process.env.PKI}/${name}`);
  const server = tls.createServer({ key: pki('key.pem'), cert: pki('cert.pem'), ...v }, (socket) => {
    server.close();
    begins(socket);
  });
  server.on('tlsClientError', () => server.close());
  server.listen(0, '127.0.0.1', () => console.log('listening', server.address().port));
}
