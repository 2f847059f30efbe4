//! The private Tor network on the command line: `cargo xtask tornet up|down`.
//!
//! `up DIR` starts `serve DIR` in the background and waits for it; `down DIR` ends it. The server
//! holds the lock of `DIR/pid` while it lives, which distinguishes a stale file from one in use. It
//! needs no signal handler: the network ends with the process.
// A tool may wait by the clock; this program is not async.
#![allow(clippy::disallowed_methods)]

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ron_tornet::TorNet;
use rustix::fs::{flock, FlockOperation};
use rustix::process::{kill_process, Pid, Signal};

type Outcome = Result<(), String>;

const POLL: Duration = Duration::from_millis(100);
/// The timeout for short waits.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["up", dir] => up(Path::new(dir)),
        ["down", dir] => down(Path::new(dir)),
        ["serve", dir] => serve(Path::new(dir)),
        _ => Err("usage: tornet up|down|serve DIR".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("tornet: {why}");
            ExitCode::FAILURE
        }
    }
}

fn up(dir: &Path) -> Outcome {
    fs::create_dir_all(dir).map_err(at(dir))?;
    let dir = &dir.canonicalize().map_err(at(dir))?;
    let mut started = None;
    if running(dir)?.is_none() {
        let _ = fs::remove_file(config_path(dir));
        started = Some(spawn(dir)?);
        eprintln!("starting; this takes about 20 s");
    } else {
        eprintln!("the network is up already");
    }
    while !config_path(dir).exists() {
        let alive = match &mut started {
            Some(serve) => serve.try_wait().map_err(at(dir))?.is_none(),
            None => running(dir)?.is_some(),
        };
        if !alive {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            return Err(format!("the network did not start:\n{log}"));
        }
        std::thread::sleep(POLL);
    }
    let config = config_path(dir);
    let config = config.display();
    println!("{config}");
    println!("\nfor example:\n  cargo run -p ron-gateway --features arti -- --transport.backend arti --transport.arti.config-path {config}");
    Ok(())
}

/// The server, in a process group of its own.
///
/// So Ctrl-C does not reach it.
fn spawn(dir: &Path) -> Result<Child, String> {
    let log = File::create(dir.join("log")).map_err(at(dir))?;
    let program = std::env::current_exe().map_err(at(dir))?;
    let mut serve = Command::new(program);
    serve.arg("serve").arg(dir).stdin(Stdio::null());
    serve.stderr(log.try_clone().map_err(at(dir))?).stdout(log);
    serve.process_group(0).spawn().map_err(at(dir))
}

fn serve(dir: &Path) -> Outcome {
    let mut options = File::options();
    let options = options.create(true).truncate(false).write(true);
    let mut lock = options.open(pid_path(dir)).map_err(at(dir))?;
    let deadline = Instant::now() + PATIENCE;
    // Another process that tests the lock holds it for a moment.
    while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if Instant::now() > deadline {
            return Err(format!("the network is up already ({error})"));
        }
        std::thread::sleep(POLL);
    }
    lock.set_len(0).map_err(at(dir))?;
    lock.rewind().map_err(at(dir))?;
    writeln!(lock, "{}", std::process::id()).map_err(at(dir))?;
    let net = TorNet::start_in(dir).map_err(|e| e.to_string())?;
    // Renamed when complete, because `up` waits for it.
    let unfinished = dir.join("arti.toml.new");
    fs::write(&unfinished, net.client_config()).map_err(at(&unfinished))?;
    fs::rename(&unfinished, config_path(dir)).map_err(at(dir))?;
    println!("up: {}", net.dir().display());
    loop {
        std::thread::park();
    }
}

fn down(dir: &Path) -> Outcome {
    let Some(pid) = running(dir)? else {
        println!("the network is not up");
        return Ok(());
    };
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
    let pid = pid.ok_or("the network is just starting; try again")?;
    let _ = fs::remove_file(config_path(dir));
    kill_process(pid, Signal::TERM).map_err(|e| format!("process {pid}: {e}"))?;
    let deadline = Instant::now() + PATIENCE;
    while running(dir)?.is_some() || has_network(dir)? {
        if Instant::now() > deadline {
            return Err(format!("{} still exists", dir.display()));
        }
        std::thread::sleep(POLL);
    }
    println!("down");
    Ok(())
}

/// Returns the server's record about itself, if a server holds the lock.
fn running(dir: &Path) -> Result<Option<String>, String> {
    let mut lock = match File::open(pid_path(dir)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(dir)(error)),
    };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            lock.read_to_string(&mut pid).map_err(at(dir))?;
            Ok(Some(pid))
        }
        Err(error) => Err(at(dir)(error.into())),
    }
}

/// Returns whether a network's directory still exists.
fn has_network(dir: &Path) -> Result<bool, String> {
    let mut entries = fs::read_dir(dir).map_err(at(dir))?;
    Ok(entries.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("ron-"))))
}

fn pid_path(dir: &Path) -> PathBuf {
    dir.join("pid")
}

fn config_path(dir: &Path) -> PathBuf {
    dir.join("arti.toml")
}

/// Returns a function that adds the path to an error.
fn at(path: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |error| format!("{}: {error}", path.display())
}
