//! Accept loops of one transport on several runtimes.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use ron_transport::{echo, Conn, ErrorKind, Inherited, Limits, Transport, TransportError};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

const LOOPS: usize = 2;
const DEADLINE: Duration = Duration::from_secs(5);

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn transport(bind: Option<SocketAddr>) -> Transport {
    let limits = Limits::new().with_max_conns(4_000).unwrap();
    let limits = limits.with_peer_max_conns(4_000).unwrap();
    let mut builder = Transport::builder().limits(limits);
    if let Some(addr) = bind {
        builder = builder.bind_addr(addr);
    }
    let loops = NonZeroUsize::new(LOOPS).unwrap();
    builder.accept_loops(loops).build().unwrap()
}

type Served = Arc<Mutex<HashMap<ThreadId, usize>>>;

/// The threads of the accept loops, and the connections of each.
struct Workers {
    threads: Vec<JoinHandle<Result<(), TransportError>>>,
    stops: Vec<oneshot::Sender<()>>,
    served: Served,
}

impl Workers {
    fn start(transport: &Arc<Transport>) -> Self {
        let served = Served::default();
        let (mut threads, mut stops) = (Vec::new(), Vec::new());
        for _ in 0..LOOPS {
            let (transport, served) = (Arc::clone(transport), Arc::clone(&served));
            let (stop, stopped) = oneshot::channel::<()>();
            stops.push(stop);
            threads.push(thread::spawn(move || {
                let runtime = runtime();
                let ended =
                    runtime.block_on(transport.serve(move |conn| count(conn, Arc::clone(&served))));
                // The connections outlive the accept loop.
                let _ = runtime.block_on(stopped);
                ended
            }));
        }
        Self {
            threads,
            stops,
            served,
        }
    }

    fn shares(&self) -> Vec<usize> {
        self.served.lock().unwrap().values().copied().collect()
    }

    fn end(self) {
        drop(self.stops);
        for thread in self.threads {
            thread.join().unwrap().unwrap();
        }
    }
}

async fn count(conn: Conn, served: Served) {
    let here = thread::current().id();
    *served.lock().unwrap().entry(here).or_default() += 1;
    let _ = echo(conn).await;
    assert_eq!(thread::current().id(), here, "the connection has moved");
}

fn exchange(addr: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(addr).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"ping").unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
    client
}

/// Drains from a runtime that serves no connection.
fn shutdown(control: &Runtime, transport: &Transport, workers: Workers) {
    let report = control.block_on(transport.shutdown(DEADLINE));
    assert_eq!(report.aborted, 0);
    workers.end();
}

#[test]
fn connections_spread_over_loops() {
    let control = runtime();
    let transport = Arc::new(transport(Some(any())));
    let addr = control.block_on(transport.listen()).unwrap();
    let workers = Workers::start(&transport);
    for _ in 0..1_000 {
        exchange(addr.socket_addr().unwrap());
    }
    let shares = workers.shares();
    println!("connections of each accept loop: {shares:?}");
    // 15 % of an even share are five standard deviations.
    if cfg!(target_os = "linux") {
        assert_eq!(shares.len(), LOOPS);
        assert!(shares.iter().all(|share| (425..=575).contains(share)));
    }
    shutdown(&control, &transport, workers);
}

#[test]
fn drain_from_another_runtime_is_in_order() {
    let control = runtime();
    let transport = Arc::new(transport(Some(any())));
    let addr = control.block_on(transport.listen()).unwrap();
    let addr = addr.socket_addr().unwrap();
    let workers = Workers::start(&transport);
    let mut clients: Vec<_> = (0..20).map(|_| exchange(addr)).collect();
    shutdown(&control, &transport, workers);
    for client in &mut clients {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn passed_socket_is_shared() {
    let control = runtime();
    let transport = Arc::new(transport(None));
    let socket = TcpListener::bind(any()).unwrap();
    let addr = socket.local_addr().unwrap();
    let listening = transport.listen_on(Inherited::Tcp(socket));
    control.block_on(listening).unwrap();
    let workers = Workers::start(&transport);
    let clients: Vec<_> = (0..50).map(|_| exchange(addr)).collect();
    assert_eq!(workers.shares().iter().sum::<usize>(), clients.len());
    drop(clients);
    shutdown(&control, &transport, workers);
}

#[test]
fn more_serve_calls_than_loops_fail() {
    let control = runtime();
    let transport = Arc::new(transport(Some(any())));
    let addr = control.block_on(transport.listen()).unwrap();
    let workers = Workers::start(&transport);
    // Both loops accept once both threads have served.
    while workers.shares().len() < LOOPS {
        exchange(addr.socket_addr().unwrap());
    }
    let error = control.block_on(transport.serve(echo)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.to_string().contains("accept_loops"), "{error}");
    shutdown(&control, &transport, workers);
}

#[test]
fn port_of_another_listener_is_refused() {
    let control = runtime();
    let (first, mut second) = (transport(Some(any())), TransportError::Closed);
    let addr = control.block_on(first.listen()).unwrap();
    for _ in 0..2 {
        let other = transport(addr.socket_addr());
        second = control.block_on(other.listen()).unwrap_err();
    }
    assert_eq!(second.kind(), ErrorKind::Bind);
}

#[test]
fn unserved_loops_close_at_shutdown() {
    let control = runtime();
    let transport = Arc::new(transport(Some(any())));
    let addr = control.block_on(transport.listen()).unwrap();
    let serving = control.spawn(Arc::clone(&transport).serve_owned(echo));
    let ended = control.block_on(async {
        transport.shutdown(DEADLINE).await;
        serving.await.unwrap()
    });
    ended.unwrap();
    assert!(TcpStream::connect(addr.socket_addr().unwrap()).is_err());
}
