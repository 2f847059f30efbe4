//! The pool with scripted dials, in paused time.

use std::sync::Mutex as StdMutex;

use super::*;

const DIAL_TIMEOUT: Duration = Duration::from_secs(9);

fn pool(count: u16) -> UpstreamPool {
    let targets = (1..=count).map(|port| Endpoint::tcp("10.0.0.1", port).unwrap());
    UpstreamPool::with_seed(targets.collect(), 1)
}

fn port(endpoint: &Endpoint) -> u16 {
    match endpoint.target() {
        ron_transport::Target::Host { port, .. } => *port,
        other => panic!("{other}"),
    }
}

fn refused() -> TransportError {
    TransportError::Connect {
        target: "tcp://10.0.0.1".to_owned(),
        source: io::ErrorKind::ConnectionRefused.into(),
    }
}

#[tokio::test(start_paused = true)]
async fn next_target_answers_after_a_refusal() {
    let pool = pool(3);
    let tried = StdMutex::new(Vec::new());
    let dial = |endpoint: Arc<Endpoint>| {
        let port = port(&endpoint);
        tried.lock().unwrap().push(port);
        async move {
            if port == 3 {
                Ok(port)
            } else {
                Err(refused())
            }
        }
    };
    let (conn, endpoint) = pool.dial(DIAL_TIMEOUT, dial).await.unwrap();
    assert_eq!((conn, port(&endpoint)), (3, 3));
    assert_eq!(*tried.lock().unwrap(), [1, 2, 3]);
    let available: Vec<_> = pool
        .status()
        .iter()
        .map(|target| target.is_available)
        .collect();
    assert_eq!(available, [false, false, true]);
    // The resting ones are not tried again.
    pool.dial(DIAL_TIMEOUT, dial).await.unwrap();
    assert_eq!(tried.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn silent_targets_share_the_dial_timeout() {
    let pool = pool(3);
    let started = Instant::now();
    let dial = |endpoint: Arc<Endpoint>| async move {
        if port(&endpoint) != 3 {
            std::future::pending::<()>().await;
        }
        Ok(port(&endpoint))
    };
    let (conn, _) = pool.dial(DIAL_TIMEOUT, dial).await.unwrap();
    assert_eq!(conn, 3);
    assert!(started.elapsed() <= DIAL_TIMEOUT * 2 / 3 + Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn all_silent_targets_end_at_the_dial_timeout() {
    let pool = pool(3);
    let started = Instant::now();
    let dial = |_| std::future::pending::<Result<u16, TransportError>>();
    let error = pool.dial(DIAL_TIMEOUT, dial).await.unwrap_err();
    assert!(error.reason().is_none(), "{error}");
    let took = started.elapsed();
    assert!(
        took >= DIAL_TIMEOUT && took < DIAL_TIMEOUT + Duration::from_millis(20),
        "{took:?}"
    );
    assert!(pool.status().iter().any(|target| !target.is_available));
}

#[tokio::test(start_paused = true)]
async fn shortage_of_descriptors_rests_no_target() {
    let pool = pool(2);
    let dials = StdMutex::new(0);
    let dial = |_| {
        *dials.lock().unwrap() += 1;
        async {
            Err::<u16, _>(TransportError::Connect {
                target: "tcp://10.0.0.1".to_owned(),
                source: io::Error::from_raw_os_error(24),
            })
        }
    };
    pool.dial(DIAL_TIMEOUT, dial).await.unwrap_err();
    assert_eq!(*dials.lock().unwrap(), 1);
    assert!(pool.status().iter().all(|target| target.is_available));
}

#[tokio::test(start_paused = true)]
async fn abandoned_dial_rests_no_target() {
    let pool = pool(1);
    let dial = |_| std::future::pending::<Result<u16, TransportError>>();
    let dialing = timeout(Duration::from_secs(1), pool.dial(DIAL_TIMEOUT, dial));
    assert!(dialing.await.is_err());
    assert!(pool.status()[0].is_available);
}

#[tokio::test(start_paused = true)]
async fn watch_reports_when_all_rest_and_back() {
    let pool = pool(2);
    let reports = StdMutex::new(Vec::new());
    let begun = Instant::now();
    let watching = pool.watch(|all_rest| reports.lock().unwrap().push((all_rest, begun.elapsed())));
    let failing = async {
        let dial = |_| async { Err::<u16, _>(refused()) };
        pool.dial(DIAL_TIMEOUT, dial).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        () = watching => {}
        () = failing => {}
    }
    let reports = reports.into_inner().unwrap();
    let states: Vec<_> = reports.iter().map(|(all_rest, _)| *all_rest).collect();
    assert_eq!(states, [true, false]);
    let rest = reports[1].1 - reports[0].1;
    assert!(
        rest >= Duration::from_millis(500) && rest <= Duration::from_millis(1010),
        "{rest:?}"
    );
}
