//! Network namespaces for one run, joined by a pair of virtual interfaces.
//!
//! A namespace is removed on drop; the next start removes those of killed runs.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::thread;

use crate::process::{run, PATIENCE};
use rustix::process::{kill_process, Pid, Signal};
use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};

use super::Stop;
use super::{is_stale, PREFIX};

/// A network namespace with its loopback up.
#[derive(Debug)]
pub struct Netns {
    /// The name for `ip netns`.
    pub name: String,
}

/// The name of the interface to the other namespace.
pub const LINK: &str = "peer0";

impl Netns {
    /// Creates a namespace; failure is a reason to skip.
    pub fn new(tag: &str) -> Result<Self, Stop> {
        let name = format!("{PREFIX}{}-{tag}", std::process::id());
        let added = ip(&["netns", "add", &name]);
        added.map_err(|why| Stop::Skip(format!("no network namespace: {why}")))?;
        let made = Self { name };
        made.ip(&["link", "set", "lo", "up"])?;
        Ok(made)
    }

    /// Creates two namespaces with a link.
    ///
    /// The first has [`Self::address`] 1, the second 2.
    pub fn pair() -> Result<(Self, Self), Stop> {
        let (left, right) = (Self::new("a")?, Self::new("b")?);
        let to = ["peer", "name", LINK, "netns", &right.name];
        let link = ["link", "add", LINK, "type", "veth"];
        left.ip(&[&link[..], &to[..]].concat())?;
        for (end, host) in [(&left, 1), (&right, 2)] {
            let address = format!("{}/24", Self::address(host));
            end.ip(&["address", "add", &address, "dev", LINK])?;
            end.ip(&["link", "set", LINK, "up"])?;
        }
        Ok((left, right))
    }

    /// Returns the address of one end of a pair.
    pub const fn address(host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, 0, host)
    }

    /// Runs `ip` in the namespace.
    pub fn ip(&self, args: &[&str]) -> Result<(), String> {
        ip(&[&["-n", &self.name], args].concat()).map(drop)
    }

    /// Runs a program in the namespace to its end.
    pub fn exec(&self, args: &[&str]) -> Result<(), String> {
        ip(&[&["netns", "exec", &self.name], args].concat()).map(drop)
    }

    /// Runs a closure in a thread whose sockets belong to the namespace.
    ///
    /// Threads that it spawns belong to it too.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T, String> {
        within(&self.name, act)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // The namespace may be deleted already.
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

/// Runs a closure in the namespace of this name.
pub fn within<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> Result<T, String> {
    let enter = || {
        let place = File::open(format!("/run/netns/{name}"))?;
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(place.as_fd(), kind).map_err(std::io::Error::from)
    };
    thread::scope(|scope| {
        let thread = scope.spawn(|| enter().map(|()| act()));
        let ended = thread
            .join()
            .map_err(|_| "the thread panicked".to_owned())?;
        ended.map_err(|e| format!("cannot enter {name}: {e}"))
    })
}

/// Removes namespaces of ended runs, and kills their processes.
pub fn sweep() {
    let Ok(list) = ip(&["netns", "list"]) else {
        return;
    };
    let names = list.lines().filter_map(|line| line.split(' ').next());
    for name in names.filter(|name| is_stale(name)) {
        for pid in ip(&["netns", "pids", name]).unwrap_or_default().lines() {
            if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = ip(&["netns", "delete", name]);
    }
}

/// Runs `ip` and returns its output.
fn ip(args: &[&str]) -> Result<String, String> {
    let ended = run(Command::new("ip").args(args), PATIENCE)?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.out).into_owned());
    }
    Err(format!("ip {}: {}", args.join(" "), ended.err.trim()))
}
