use super::*;

const TERMS: WriteTerms = WriteTerms {
    timeout: 1600,
    chunk: 1 << 20,
};

/// Polls a waiting write; the peer has read `read` bytes.
///
/// Returns when the connection ends, or `None` at `until`.
fn ended(until: u64, read: impl Fn(u64) -> Option<u64>) -> Option<u64> {
    ended_by(until, |now| read(now).map(Taken::Read))
}

fn ended_by(until: u64, taken: impl Fn(u64) -> Option<Taken>) -> Option<u64> {
    let (mut clock, mut now) = (WriteClock::default(), 0);
    while now < until {
        clock.before(now, TERMS);
        loop {
            let due = clock.pends(now, TERMS);
            if due > now {
                now = due;
                break;
            }
            if clock.check(now, taken(now), TERMS) == PeerProgress::Over {
                return Some(now);
            }
        }
    }
    None
}

/// Returns the bytes taken at a percentage of the floor, in steps.
fn steps(now: u64, percent: u64, step: u64) -> Option<u64> {
    Some(now * TERMS.chunk * percent / 100 / TERMS.timeout / step * step)
}

#[test]
fn peer_at_floor_survives_any_step_size() {
    for step in [1, 1000, 1 << 18, 600_000, (1 << 20) - 1, 1 << 20] {
        assert_eq!(ended(100_000, |now| steps(now, 100, step)), None, "{step}");
    }
}

#[test]
fn peer_below_half_floor_ends_on_time() {
    for step in [1, 1000, 1 << 18] {
        let end = ended(100_000, |now| steps(now, 45, step));
        assert!(
            end.is_some_and(|end| end <= 1600 + 1600 / CHECKS),
            "{end:?}"
        );
    }
}

#[test]
fn peer_below_floor_ends_eventually() {
    let end = ended(100_000, |now| steps(now, 80, 1000));
    assert!(end.is_some_and(|end| end <= 1600 * 5 + 200), "{end:?}");
}

#[test]
fn stalled_peer_ends_within_a_tenth() {
    for stall in [0, 50, 1000, 1601, 5000] {
        let end = ended(100_000, |now| steps(now.min(stall), 300, 1000)).unwrap();
        assert!(end >= stall && end <= stall + 1760, "{stall}: {end}");
    }
}

#[test]
fn accepted_bytes_pay_on_unmeasured_stream() {
    let mut clock = WriteClock::default();
    for round in 0..100 {
        for check in 0..15 {
            let now = (15 * round + check) * TERMS.interval();
            clock.before(now, TERMS);
            clock.pends(now, TERMS);
            assert_ne!(clock.check(now, None, TERMS), PeerProgress::Over, "{now}");
        }
        clock.accepted((15 * round + 14) * TERMS.interval(), 1 << 20, TERMS);
    }
}

#[test]
fn time_between_writes_not_counted() {
    let mut clock = WriteClock::default();
    clock.pends(0, TERMS);
    clock.before(100, TERMS);
    clock.accepted(100, 1, TERMS);
    clock.before(1600, TERMS);
    assert_eq!(clock.pends(1600, TERMS), 1600 - 75);
    assert_eq!(clock.check(1600, None, TERMS), PeerProgress::Waits);
    clock.before(3000, TERMS);
    // It waited 100, then 200: at most two intervals count.
    assert_eq!(clock.check(3000, None, TERMS), PeerProgress::Waits);
}

#[test]
fn long_silence_clears_debt() {
    let mut clock = WriteClock::default();
    clock.pends(0, TERMS);
    clock.before(3201, TERMS);
    assert_eq!(clock.pends(3201, TERMS), 3201 + 25);
}

/// Returns the acknowledged bytes at this percentage of the floor.
///
/// Its host is silent for two deadlines less an interval, and then acknowledges all read bytes.
fn bursts(now: u64, percent: u64) -> Option<Taken> {
    let step = 2 * TERMS.timeout - TERMS.interval();
    let read = (now / step) * step * TERMS.chunk * percent / 100 / TERMS.timeout;
    Some(closed(read))
}

/// Returns bytes acknowledged by a host with a closed window.
fn closed(bytes: u64) -> Taken {
    let in_flight = false;
    Taken::Acknowledged { bytes, in_flight }
}

#[test]
fn closed_window_gives_credit() {
    assert_eq!(ended_by(100_000, |now| bursts(now, 110)), None);
    let end = ended_by(100_000, |now| bursts(now, 45));
    assert!(end.is_some(), "{end:?}");
}

#[test]
fn credit_at_most_one_deadline() {
    for stall in [0, 1000, 5000] {
        let taken = |now: u64| Some(closed(now.min(stall) * TERMS.chunk));
        let end = ended_by(100_000, taken).unwrap();
        assert!(
            end >= stall + 3200 - 100 && end <= stall + 3200 + 160,
            "{stall}: {end}"
        );
    }
}

#[test]
fn silent_host_has_no_credit() {
    for stall in [0, 1000, 5000] {
        let taken = |now: u64| {
            let (bytes, in_flight) = (now.min(stall) * TERMS.chunk, true);
            Some(Taken::Acknowledged { bytes, in_flight })
        };
        let end = ended_by(100_000, taken).unwrap();
        assert!(end >= stall && end <= stall + 1760, "{stall}: {end}");
    }
}

/// A silence of exactly two deadlines keeps the debt.
#[test]
fn silence_of_two_deadlines_keeps_debt() {
    let mut clock = WriteClock::default();
    clock.pends(0, TERMS);
    clock.before(3200, TERMS);
    // Two intervals of it count.
    assert_eq!(clock.ends(TERMS), 3200 - 200 + 1600);
    assert!(clock.has_debt());
}

#[test]
fn half_a_chunk_pays() {
    for (bytes, paid) in [(TERMS.chunk / 2 - 1, 0), (TERMS.chunk / 2, 800)] {
        let mut clock = WriteClock::default();
        clock.pends(0, TERMS);
        let bytes = usize::try_from(bytes).unwrap();
        clock.accepted(1000, bytes, TERMS);
        assert_eq!(clock.ends(TERMS), 1600 + paid, "{bytes}");
    }
}

#[test]
fn flush_clears_debt_of_unmeasured_stream() {
    let mut clock = WriteClock::default();
    clock.pends(0, TERMS);
    clock.flushed();
    assert!(!clock.has_debt());
    clock.pends(0, TERMS);
    clock.check(25, Some(Taken::Read(7)), TERMS);
    clock.flushed();
    assert!(clock.has_debt(), "its bytes are not taken yet");
    // The time until the next wait does not count.
    let ends = clock.ends(TERMS);
    clock.before(1025, TERMS);
    assert_eq!(clock.ends(TERMS), ends + 1000);
}

/// Only the first measurement begins the debt.
#[test]
fn first_measurement_begins_debt() {
    let mut clock = WriteClock::default();
    clock.pends(0, TERMS);
    assert_eq!(
        clock.check(25, Some(Taken::Read(7)), TERMS),
        PeerProgress::Moves
    );
    assert_eq!(clock.ends(TERMS), 25 + 1600);
    let mut clock = WriteClock::default();
    clock.pends(0, TERMS);
    assert_eq!(clock.check(25, None, TERMS), PeerProgress::Waits);
    clock.check(125, Some(Taken::Read(7)), TERMS);
    assert_eq!(clock.ends(TERMS), 1600, "it had begun before");
}

#[test]
fn credit_adds_one_deadline() {
    let mut clock = WriteClock::default();
    clock.pends(0, TERMS);
    clock.check(25, Some(closed(7)), TERMS);
    assert_eq!(clock.ends(TERMS), 25 + 2 * 1600);
}

/// Writes these buffers, at most `limit` bytes; returns the written ones.
async fn clamped(bufs: &[&[u8]], limit: usize) -> Vec<u8> {
    let bufs: Vec<IoSlice<'_>> = bufs.iter().map(|buf| IoSlice::new(buf)).collect();
    let mut written = Vec::new();
    let count = std::future::poll_fn(|cx| poll_clamped(Pin::new(&mut written), cx, &bufs, limit));
    assert_eq!(count.await.ok(), Some(written.len()));
    written
}

#[tokio::test]
async fn clamped_write_moves_whole_buffers_or_a_part() {
    for (bufs, limit, written) in [
        (&[&b"abcdef"[..]][..], 4, &b"abcd"[..]),
        (&[b"abcdef"], 9, b"abcdef"),
        (&[b"", b"abcdef", b"gh"], 4, b"abcd"),
        (&[b"abcd", b"efgh"], 4, b"abcd"),
        (&[b"", b"abcd", b"efgh"], 7, b"abcd"),
        (&[b"abcd", b"", b"efgh"], 8, b"abcdefgh"),
    ] {
        assert_eq!(clamped(bufs, limit).await, written, "{limit} of {bufs:?}");
    }
}
