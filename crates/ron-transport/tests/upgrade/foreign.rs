//! Upgrades with foreign programs: Python's smtplib and ssl, OpenSSL.
//!
//! A test prints "skipped" and the reason where a program is missing.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ron_transport::tls::ServerTls;
use ron_transport::{Conn, TlsUpgrade, Transport, TransportError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;
use transport_testkit::pki::PkiDir;
use transport_testkit::Recorder;

use crate::pki::MemoryPki;
use crate::rig::client;

/// A child that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end; `None` if the machine has none.
pub(crate) fn run(command: &mut Command) -> Option<String> {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {:?}: {error}", command.get_program());
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &errors)
}

fn python(script: &str, args: &[&str]) -> Command {
    let python = std::env::var("RON_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.args(["-c", script]).args(args);
    command
}

/// A mail server of a few lines.
async fn smtp(mut conn: Conn, tls: Arc<ServerTls>) -> Result<Vec<String>, TransportError> {
    async fn line(conn: &mut Conn) -> std::io::Result<String> {
        let mut line = Vec::new();
        // Byte by byte: nothing behind the line may be buffered at the upgrade.
        while !line.ends_with(b"\r\n") {
            line.push(conn.read_u8().await?);
        }
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }
    let mut log = Vec::new();
    conn.write_all(b"220 ready\r\n").await?;
    loop {
        let command = line(&mut conn).await?;
        let verb = command.split(' ').next().unwrap_or_default().to_lowercase();
        log.push(command);
        let answer: &[u8] = match &*verb {
            "ehlo" if conn.info().kx.is_none() => b"250-here\r\n250 STARTTLS\r\n",
            "starttls" => {
                conn.write_all(b"220 go\r\n").await?;
                conn = conn
                    .upgrade_tls(TlsUpgrade::server(Arc::clone(&tls)))
                    .await?;
                log.push("upgraded".to_owned());
                continue;
            }
            "quit" => {
                conn.write_all(b"221 bye\r\n").await?;
                conn.shutdown().await?;
                return Ok(log);
            }
            "data" => {
                conn.write_all(b"354 go\r\n").await?;
                while line(&mut conn).await? != "." {}
                b"250 taken\r\n"
            }
            _ => b"250 ok\r\n",
        };
        conn.write_all(answer).await?;
    }
}

struct Mail {
    transport: Arc<Transport>,
    served: tokio::task::JoinHandle<Vec<String>>,
    dir: PkiDir,
    port: u16,
}

impl Mail {
    /// Serves one client.
    async fn start() -> Self {
        let (pki, dir) = (MemoryPki::new(), PkiDir::new());
        dir.write("ca.pem", &pki.authority.pem());
        let builder = Transport::builder().bind_addr("127.0.0.1:0".parse().unwrap());
        let builder = builder.observer(Recorder::new().observer());
        let transport = Arc::new(builder.build().unwrap());
        let port = transport
            .listen()
            .await
            .unwrap()
            .socket_addr()
            .unwrap()
            .port();
        let tls = Arc::new(pki.server_tls("localhost"));
        let accepting = Arc::clone(&transport);
        let served = tokio::spawn(async move {
            let conn = accepting.accept().await.unwrap().unwrap();
            let conn = conn.establish().await.unwrap();
            smtp(conn, tls).await.unwrap()
        });
        Self {
            transport,
            served,
            dir,
            port,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn smtplib_delivers_after_starttls() {
    let mail = Mail::start().await;
    let script = "import smtplib, ssl, sys\n\
        context = ssl.create_default_context(cafile=sys.argv[2])\n\
        client = smtplib.SMTP('localhost', int(sys.argv[1]), timeout=20)\n\
        assert client.starttls(context=context)[0] == 220\n\
        print(client.sock.version())\n\
        client.sendmail('a@example.org', ['b@example.org'], 'Subject: x\\r\\n\\r\\nhello')\n\
        print(client.quit())\n";
    let (port, ca) = (mail.port.to_string(), mail.dir.file("ca.pem"));
    let out = spawn_blocking(move || run(&mut python(script, &[&port, &ca])));
    let Some(out) = out.await.unwrap() else {
        return;
    };
    assert!(out.contains("TLSv1.3") && out.contains("221"), "{out}");
    let log = mail.served.await.unwrap();
    let upgraded = log.iter().position(|line| line == "upgraded").unwrap();
    assert!(
        log[upgraded..]
            .iter()
            .any(|line| line.starts_with("mail FROM")),
        "{log:?}"
    );
    mail.transport.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_client_speaks_smtp_after_starttls() {
    let mail = Mail::start().await;
    let (port, ca) = (mail.port, mail.dir.file("ca.pem"));
    let out = spawn_blocking(move || {
        let mut command = Command::new("openssl");
        command.args([
            "s_client",
            "-starttls",
            "smtp",
            "-quiet",
            "-verify_return_error",
        ]);
        command.args(["-CAfile", &ca, "-verify_hostname", "localhost", "-crlf"]);
        command.arg("-connect").arg(format!("localhost:{port}"));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: openssl: {error}");
                return None;
            }
        };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"quit\n").unwrap();
        let output = child.wait_with_output().unwrap();
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let Some(out) = out.await.unwrap() else {
        return;
    };
    let log = mail.served.await.unwrap();
    assert!(log.contains(&"upgraded".to_owned()), "{log:?} {out}");
    assert_eq!(log.last().unwrap(), "quit");
}

/// A mail server in Python, which upgrades with OpenSSL.
const SERVER: &str = "import socket, ssl, sys\n\
    listener = socket.create_server(('127.0.0.1', 0))\n\
    print(listener.getsockname()[1], flush=True)\n\
    conn, _ = listener.accept()\n\
    conn.sendall(b'220 ready\\r\\n')\n\
    assert conn.recv(64) == b'STARTTLS\\r\\n'\n\
    conn.sendall(b'220 go\\r\\n')\n\
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
    context.load_cert_chain(sys.argv[1], sys.argv[2])\n\
    conn = context.wrap_socket(conn, server_side=True)\n\
    assert conn.recv(64) == b'QUIT\\r\\n'\n\
    conn.sendall(b'221 bye\\r\\n')\n\
    conn.unwrap()\n\
    print('unwrapped', flush=True)\n";

#[tokio::test(flavor = "multi_thread")]
async fn client_upgrades_to_python_server() {
    let (pki, dir) = (MemoryPki::new(), PkiDir::new());
    dir.write_pair("server", &pki.authority.leaf(&["mail.example"]));
    let mut command = python(SERVER, &[&dir.file("server.pem"), &dir.file("server.key")]);
    let child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return println!("skipped: python3: {error}"),
    };
    let mut child = Running(child);
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
    let (port, stdout) = spawn_blocking(move || {
        let mut port = String::new();
        stdout.read_line(&mut port).unwrap();
        (port.trim().to_owned(), stdout)
    })
    .await
    .unwrap();
    let client = client();
    let mut conn = client
        .dial(format!("tcp://127.0.0.1:{port}"))
        .await
        .unwrap();
    let mut line = String::new();
    tokio::io::BufReader::new(&mut conn)
        .read_line(&mut line)
        .await
        .unwrap();
    assert_eq!(line, "220 ready\r\n");
    conn.write_all(b"STARTTLS\r\n").await.unwrap();
    let mut answer = [0; 8];
    conn.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"220 go\r\n");
    let tls = TlsUpgrade::client(pki.client_tls("client.example"), "mail.example");
    let mut conn = conn.upgrade_tls(tls).await.unwrap();
    conn.write_all(b"QUIT\r\n").await.unwrap();
    let mut answer = [0; 9];
    conn.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"221 bye\r\n");
    assert_eq!(conn.read(&mut answer).await.unwrap(), 0, "close_notify");
    conn.shutdown().await.unwrap();
    let last = spawn_blocking(move || {
        let (mut line, mut stdout) = (String::new(), stdout);
        stdout.read_line(&mut line).map(|_| line)
    });
    assert_eq!(last.await.unwrap().unwrap(), "unwrapped\n");
}
