//! The end of one of several limiters with shared ceilings.

use transport_core::Backend;

use crate::shared::two;

#[tokio::test(start_paused = true)]
async fn closed_limiter_reports_no_peers() {
    let (_, mut public, mut private) = two(|_| ());
    let _ours = public.connect().await;
    let _theirs = private.connect().await;
    for rig in [&public, &private] {
        assert_eq!(rig.recorder.snapshot().peers, Some((Backend::Tcp, 1, 2)));
    }
    public.limiter.close();
    let _more = private.connect().await;
    assert_eq!(public.recorder.snapshot().peers, Some((Backend::Tcp, 0, 0)));
    let (_, tracked, conns) = private.recorder.snapshot().peers.unwrap();
    assert_eq!((tracked, conns), (1, 2), "one ended, one was added");
}
