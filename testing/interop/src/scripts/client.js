// A TLS client of Node: sends a file, stores what came back.
const fs = require('fs');
const tls = require('tls');

const cfg = JSON.parse(process.argv[2]);
const payload = fs.readFileSync(cfg.payload);
const report = { error: null, version: null, group: null, resumed: [] };

function connect(session) {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: cfg.port,
      servername: cfg.name,
      ca: fs.readFileSync(cfg.ca),
      ecdhCurve: cfg.groups === 'classical' ? 'P-256' : 'auto',
      session,
    };
    if (cfg.max === '1.2') options.maxVersion = 'TLSv1.2';
    if (cfg.cert) {
      options.cert = fs.readFileSync(cfg.cert);
      options.key = fs.readFileSync(cfg.key);
    }
    const back = [];
    let length = 0;
    let ticket;
    const socket = tls.connect(options, () => {
      report.version = socket.getProtocol();
      report.group = socket.getEphemeralKeyInfo().name || null;
      report.resumed.push(socket.isSessionReused());
      socket.write(payload);
    });
    socket.on('session', (data) => { ticket = data; });
    socket.on('data', (data) => {
      back.push(data);
      length += data.length;
      if (length >= payload.length) socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      fs.writeFileSync(cfg.out, Buffer.concat(back));
      resolve(ticket);
    });
  });
}

(async () => {
  try {
    let session;
    for (let n = 0; n < (cfg.sessions || 1); n += 1) session = await connect(session);
  } catch (error) {
    report.error = `${error.code}: ${error.message}`;
  }
  console.log(JSON.stringify(report));
})();
