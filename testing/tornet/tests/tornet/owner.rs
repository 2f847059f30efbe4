//! An owner that is killed, with and without its sweeper.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use ron_tornet::{skip, TorNet};
use rustix::process::{kill_process, Pid, Signal};

use crate::processes::{self, wait_until};

/// The text before the directory in the owner's output.
const MARK: &str = "network in ";

/// A process that owns a network, and the network's directory.
struct Owner(Child, PathBuf);

impl Owner {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "owner::owner_as_child",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let dir = lines.find_map(|line| Some(line.unwrap().split_once(MARK)?.1.into()));
        Self(process, dir.expect("a network"))
    }

    fn kill(mut self) -> PathBuf {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        self.1
    }
}

#[test]
fn killed_owner_leaves_nothing_behind() {
    if skip("a_killed_owner_leaves_nothing_behind") {
        return;
    }
    let owner = Owner::start();
    let tors = processes::tors_of(&owner.1);
    assert_eq!(tors.len(), 5);
    // A stopped process does not notice the end of its owner.
    kill(&tors[0], Signal::STOP);
    let dir = owner.kill();
    wait_until("no process runs", || processes::of(&dir).is_empty());
    wait_until("the directory is gone", || !dir.exists());
}

#[test]
fn tor_ends_after_its_owner_was_killed() {
    if skip("the_tors_of_a_killed_owner_end_by_themselves") {
        return;
    }
    let owner = Owner::start();
    let mut sweeper = processes::of(&owner.1);
    sweeper.retain(|process| process.name == "sh");
    assert_eq!(sweeper.len(), 1);
    kill(&sweeper[0], Signal::KILL);
    let dir = owner.kill();
    // tor checks every 15 s.
    wait_until("no process runs", || processes::of(&dir).is_empty());
    fs::remove_dir_all(dir).unwrap();
}

fn kill(process: &processes::Process, signal: Signal) {
    kill_process(Pid::from_raw(process.pid).unwrap(), signal).unwrap();
}

/// The owner: ends with its parent, and is killed before that.
#[test]
#[ignore = "started by the other tests as a separate process"]
fn owner_as_child() {
    let net = TorNet::shared();
    println!("{MARK}{}", net.dir().display());
    let _ = std::io::stdin().read(&mut [0]);
}
