// SPDX-License-Identifier: MIT
// One end of TLS connections in node, and one way to end them: party.js PORT TLS SCENARIO. A client (PORT is that of the judge) or a
// server (PORT is 0, and "listening PORT" is printed first). A "#!" line before this names the node.
'use strict';
const cluster = require('cluster');
const http2 = require('http2');
const https = require('https');
const fs = require('fs');
const path = require('path');
const tls = require('tls');
const { fork, spawnSync } = require('child_process');
const { Worker, isMainThread, workerData } = require('worker_threads');

const [port, version, scenario] = isMainThread ? process.argv.slice(2) : workerData;
const v = `TLSv${version}`;
const O = { host: '127.0.0.1', port: +port, rejectUnauthorized: false, servername: 'localhost', minVersion: v, maxVersion: v };
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const megabytes = Buffer.alloc(3000000, 'a');

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.removeAllListeners('warning');
process.on('warning', () => {});
tls.DEFAULT_MIN_VERSION = tls.DEFAULT_MAX_VERSION = v; // for fetch

const pki = (name) => fs.readFileSync(path.join(process.env.PKI, name));
const identity = () => ({ key: pki('key.pem'), cert: pki('cert.pem'), minVersion: v, maxVersion: v });
const listening = (server) => console.log(`listening ${server.address().port}`);

// Connects, asks, and once the answer begins goes on with `then`.
function asks(then) {
  const socket = tls.connect(O, () => socket.write(GET));
  socket.once('data', () => then(socket));
}

// One connection, and what the server does when the request is there.
function serves(then) {
  const server = tls.createServer(identity(), (socket) => {
    server.close();
    socket.on('error', () => {});
    socket.once('data', () => then(socket));
  });
  server.listen(0, '127.0.0.1', () => listening(server));
}

function web(then) {
  const server = https.createServer(identity(), (request, response) => {
    server.close();
    response.sendDate = false; // which would differ
    then(response);
  });
  server.listen(0, '127.0.0.1', () => listening(server));
}

const scenarios = {
  // --- clients ---
  get() { https.get({ ...O, agent: false }, (r) => r.resume()); },
  keepalive() {
    const agent = new https.Agent({ keepAlive: true });
    https.get({ ...O, agent }, (r) => r.resume().on('end', () => setImmediate(() => agent.destroy())));
  },
  keepalive_exits() {
    const agent = new https.Agent({ keepAlive: true });
    https.get({ ...O, agent }, (r) => r.resume().on('end', () => setImmediate(() => process.exit(0))));
  },
  async fetch() { await (await fetch(`https://localhost:${port}/`)).text(); },
  async fetch_exits() { await (await fetch(`https://localhost:${port}/`)).text(); process.exit(0); },
  async fetch_aborts() {
    const abort = new AbortController();
    await fetch(`https://localhost:${port}/`, { signal: abort.signal });
    abort.abort();
  },
  end() { asks((socket) => socket.end()); },
  destroy() { asks((socket) => socket.destroy()); },
  destroy_soon() { const socket = tls.connect(O, () => { socket.write('hello'); socket.destroySoon(); }); },
  exits() { asks(() => process.exit(0)); },
  exits_1() { asks(() => process.exit(1)); },
  throws() { asks(() => { throw new Error('nobody catches this'); }); },
  upload_ends() { const socket = tls.connect(O, () => socket.end(megabytes)); socket.resume(); },
  upload_destroys() { const socket = tls.connect(O, () => socket.write(megabytes, () => socket.destroy())); },
  upload_unread() { const socket = tls.connect(O, () => socket.end(megabytes, () => socket.destroy())); },
  worker() { new Worker(__filename, { workerData: [port, version, 'destroy'] }); },
  worker_exits() { new Worker(__filename, { workerData: [port, version, 'exits'] }); }, // it alone; the process lives on
  workers() { for (let i = 0; i < 4; i++) new Worker(__filename, { workerData: [port, version, 'destroy'] }); },
  child() { fork(__filename, [port, version, 'destroy']); },
  child_exits() { fork(__filename, [port, version, 'exits']); },
  cluster() { // a worker is the client
    if (cluster.isPrimary) cluster.fork();
    else asks((socket) => { socket.destroy(); setImmediate(() => cluster.worker.disconnect()); });
  },
  test() { // node --test
    const file = path.join(fs.mkdtempSync(path.join(process.env.TMPDIR || '/tmp', 'party-')), 'it.test.js');
    fs.writeFileSync(file, `require('node:test')('destroys', () => new Promise((done) => {
      process.argv.push(${JSON.stringify(port)}, ${JSON.stringify(version)}, 'destroy');
      require(${JSON.stringify(path.resolve(__filename))}); process.on('beforeExit', done); setTimeout(done, 500); }));`);
    const { status, stdout } = spawnSync(process.execPath, ['--test', file], { env: { ...process.env, NODE_OPTIONS: '' } });
    fs.rmSync(path.dirname(file), { recursive: true });
    console.log(status, /pass 1/.test(stdout));
  },
  snapshot() { // a program that starts from its own heap
    const place = fs.mkdtempSync(path.join(process.env.TMPDIR || '/tmp', 'party-')), blob = path.join(place, 'blob');
    fs.writeFileSync(path.join(place, 'entry.js'), `
      require('v8').startupSnapshot.setDeserializeMainFunction(() => {
        const tls = require('tls'), [port, v] = process.argv.slice(-2);
        const s = tls.connect({ host: '127.0.0.1', port: +port, rejectUnauthorized: false, minVersion: v, maxVersion: v },
          () => s.write('GET /'));
        s.once('data', () => s.destroy()); });`);
    const built = spawnSync(process.execPath, ['--snapshot-blob', blob, '--build-snapshot', path.join(place, 'entry.js')]);
    const run = spawnSync(process.execPath, ['--snapshot-blob', blob, 'main', port, v]);
    fs.rmSync(place, { recursive: true });
    console.log(built.status, run.status);
  },

  // --- servers ---
  server_ends() { serves((socket) => socket.end('hello')); },
  server_destroys() { serves((socket) => socket.write('hello', () => socket.destroy())); },
  server_exits() { serves((socket) => socket.write('hello', () => process.exit(0))); },
  server_sends() { serves((socket) => socket.write(megabytes, () => socket.destroy())); },
  web() { web((response) => response.end('hello')); },
  web_destroys() { web((response) => { response.write('hello', () => response.destroy()); }); }, // in the middle of an answer
  web_cluster() {
    if (!cluster.isPrimary) return web((response) => response.end('hello', () => cluster.worker.disconnect()));
    cluster.fork();
  },

  // --- both ends, many connections, HTTP/1.1 and 2: what the clients got ---
  load() {
    const got = { web: 0, aborted: 0, http2: 0 };
    const answer = (request, response) => response.end(megabytes.subarray(0, 30000));
    const servers = [https.createServer(identity(), answer), http2.createSecureServer(identity(), answer)];
    const asks = (i) => new Promise((done) => https.get({ ...O, port: servers[0].address().port, agent: false }, (r) => {
      let length = 0;
      r.on('data', (bytes) => { length += bytes.length; if (i % 4 === 0) r.destroy(); });
      r.on('close', () => { got[i % 4 === 0 ? 'aborted' : 'web'] += i % 4 === 0 || length === 30000; done(); });
      r.on('error', () => {});
    }));
    const asks2 = () => new Promise((done) => {
      const session = http2.connect(`https://localhost:${servers[1].address().port}`, { ...O, port: servers[1].address().port });
      const request = session.request({ ':path': '/' });
      let length = 0;
      request.on('data', (bytes) => { length += bytes.length; });
      request.on('end', () => { got.http2 += length === 30000; session.destroy(); done(); });
    });
    servers[0].listen(0, '127.0.0.1', () => servers[1].listen(0, '127.0.0.1', async () => {
      for (let round = 0; round < 5; round++) await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => [asks(i), asks2()]));
      servers.forEach((server) => server.close());
      console.log(got.web, got.aborted, got.http2);
    }));
  },
};
scenarios[scenario]();
