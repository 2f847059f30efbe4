//! The example `postgres_starttls`, with psql and a PostgreSQL server.
//!
//! The test prints "skipped" and the reason where a program is missing.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use transport_testkit::pki::PkiDir;

use crate::foreign::{run, Running};
use crate::pki::MemoryPki;

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// A PostgreSQL server on a Unix socket; `None` without the programs.
fn postgres(dir: &Path) -> Option<Running> {
    use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
    // PostgreSQL refuses to run as root.
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let as_user = |program: &str| {
        let mut command = Command::new(if is_root { "setpriv" } else { program });
        if is_root {
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                program,
            ]);
        }
        command.current_dir(dir);
        command
    };
    if is_root {
        let id = Command::new("id")
            .args(["-u", "postgres"])
            .output()
            .unwrap();
        let Ok(uid) = String::from_utf8_lossy(&id.stdout).trim().parse() else {
            println!("skipped: no user `postgres`");
            return None;
        };
        chown(dir, Some(uid), None).unwrap();
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let data = dir.join("data");
    let mut initdb = as_user(&program("initdb")?);
    initdb
        .args(["--no-sync", "-A", "trust", "-U", "tester", "-D"])
        .arg(&data);
    run(&mut initdb)?;
    let mut server = as_user(&program("postgres")?);
    server
        .arg("-D")
        .arg(&data)
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
        .arg(dir);
    server.stdout(Stdio::null()).stderr(Stdio::null());
    let server = Running(server.spawn().unwrap());
    for _ in 0..200 {
        if std::os::unix::net::UnixStream::connect(dir.join(".s.PGSQL.5432")).is_ok() {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("postgres does not listen");
}

/// Returns a program of PostgreSQL, which Debian keeps outside of `PATH`.
fn program(name: &str) -> Option<String> {
    if Command::new(name).arg("--version").output().is_ok() {
        return Some(name.to_owned());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let paths = versions
        .flatten()
        .map(|version| version.path().join("bin").join(name));
    let found = paths.filter(|path| path.is_file()).max();
    if found.is_none() {
        println!("skipped: {name} is not installed");
    }
    Some(found?.to_str()?.to_owned())
}

fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    profile.join("examples").join(name)
}

#[test]
fn embedding_page_has_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (page, program) = ("../../docs/EMBEDDING.md", "examples/postgres_starttls.rs");
    assert!(
        read(page).contains(&read(program)),
        "copy the example to the page"
    );
}

#[test]
fn psql_reaches_postgres_through_the_example() {
    let home = tempfile::tempdir_in("/tmp").unwrap();
    let Some(_server) = postgres(home.path()) else {
        return;
    };
    let (pki, dir) = (MemoryPki::new(), PkiDir::new());
    dir.write("ca.pem", &pki.authority.pem());
    dir.write_pair("server", &pki.authority.leaf(&["localhost"]));
    let port = free_port();
    let mut relay = Command::new(example("postgres_starttls"));
    relay
        .arg(format!(
            "unix://{}",
            home.path().join(".s.PGSQL.5432").display()
        ))
        .env("RON_TRANSPORT_BIND_ADDR", format!("127.0.0.1:{port}"))
        .env("RON_TRANSPORT_TLS_CERT_PATH", dir.path("server.pem"))
        .env("RON_TRANSPORT_TLS_KEY_PATH", dir.path("server.key"))
        .stdout(Stdio::piped());
    let mut relay = Running(relay.spawn().unwrap());
    let mut stdout = BufReader::new(relay.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");

    let ca = dir.file("ca.pem");
    let psql = |mode: &str, sql: &str| {
        let mut command = Command::new("psql");
        command.arg("-XAtd").arg(format!(
            "host=localhost port={port} user=tester dbname=postgres sslmode={mode} \
             sslrootcert={ca} connect_timeout=20"
        ));
        command.args(["-c", sql]);
        command
    };
    for mode in ["require", "verify-full"] {
        let rows = "select count(*), sum(n) from generate_series(1, 100000) n";
        let Some(out) = run(&mut psql(mode, rows)) else {
            return;
        };
        assert_eq!(out, "100000|5000050000\n");
        line.clear();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("Some("), "{line}");
    }
    let conninfo = run(&mut psql("verify-full", "\\conninfo")).unwrap();
    assert!(conninfo.contains("TLSv1.3"), "{conninfo}");
    // Rows of 20 MB, from the server to the client.
    let big = run(&mut psql("require", "select repeat('x', 20000000)")).unwrap();
    assert_eq!(big.len(), 20_000_001);
    let plain = psql("disable", "select 1").output().unwrap();
    let errors = String::from_utf8_lossy(&plain.stderr);
    assert!(
        !plain.status.success() && errors.contains("needs sslmode=require"),
        "{errors}"
    );
}
