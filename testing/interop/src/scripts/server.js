// A TLS server of Node: echoes, and ends a connection where its client does.
const fs = require('fs');
const tls = require('tls');

const cfg = JSON.parse(process.argv[2]);
let left = cfg.connections || 1;

const server = tls.createServer({
  cert: fs.readFileSync(cfg.cert),
  key: fs.readFileSync(cfg.key),
  maxVersion: cfg.max === '1.2' ? 'TLSv1.2' : 'TLSv1.3',
  ecdhCurve: cfg.groups === 'classical' ? 'P-256' : 'auto',
});

function done(report) {
  console.log(JSON.stringify(report));
  left -= 1;
  if (left === 0) server.close();
}

server.on('secureConnection', (socket) => {
  const report = {
    error: null,
    version: socket.getProtocol(),
    // Node tells a client alone.
    group: null,
    resumed: [socket.isSessionReused()],
  };
  socket.on('error', (error) => { report.error = `${error.code}: ${error.message}`; });
  socket.on('close', () => done(report));
  socket.pipe(socket);
});
server.on('tlsClientError', (error) => {
  done({ error: `${error.code}: ${error.message}`, version: null, group: null, resumed: [] });
});
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
