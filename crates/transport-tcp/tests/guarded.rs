//! The guarded constructors: limits apply without the facade.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{NoObserver, Target};
use transport_tcp::raw::TcpListener;
use transport_tcp::{dialer, listen, Limiter, Limits, TcpConfig};

fn limiter(max_conns: u64) -> Limiter {
    let limits = Limits::default().with_max_conns(max_conns).unwrap();
    Limiter::new(&limits, Arc::new(NoObserver)).unwrap()
}

#[tokio::test]
async fn guarded_ends_exchange_bytes_within_cap() {
    let (accepts, config) = (limiter(1), TcpConfig::default());
    let any = ([127, 0, 0, 1], 0).into();
    let mut listener = listen(any, &config, &accepts).await.unwrap();
    let addr = listener.get_ref().local_addr().unwrap();
    let dials = limiter(8);
    let dialer = dialer(&config, &dials);
    let to: Target = addr.to_string().parse().unwrap();

    let (dialed, accepted) = tokio::join!(dialer.dial(&to), async {
        listener.accept().await.establish().await
    });
    let (mut client, mut server) = (dialed.unwrap().io, accepted.unwrap().io);
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut text = String::new();
    server.read_to_string(&mut text).await.unwrap();
    assert_eq!(
        (text.as_str(), accepts.open(), dials.open()),
        ("question", 1, 1)
    );

    let mut second = dialer.dial(&to).await.unwrap().io;
    let mut byte = [0; 1];
    let refused = tokio::select! {
        _ = listener.accept() => panic!("accepted over the cap"),
        read = second.read(&mut byte) => read,
    };
    assert!(!matches!(refused, Ok(1..)));
    drop((second, client, server));
    assert_eq!((accepts.open(), dials.open()), (0, 0));
}

#[tokio::test]
async fn socket_path_is_not_dialed_over_tcp() {
    let limiter = limiter(8);
    let dialer = dialer(&TcpConfig::default(), &limiter);
    let to = Target::Unix("/run/a.sock".into());
    let error = dialer.dial(&to).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), "unsupported");
    assert!(error.to_string().contains("/run/a.sock"), "{error}");
}

#[tokio::test]
async fn loops_of_one_address_share_it() {
    let any = ([127, 0, 0, 1], 0).into();
    let config = TcpConfig::default();
    let listeners = TcpListener::bind_many(any, &config, 3).await.unwrap();
    let addrs: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    assert_eq!(addrs, [addrs[0]; 3]);
}
