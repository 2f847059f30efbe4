//! The operations whose size is reported to the observer.

use std::cell::Cell;

/// One operation in this many is sampled.
const SAMPLE_EVERY: u32 = 64;
/// The golden ratio as a fraction of 2^32.
///
/// Its multiples spread evenly and without a period. A plain count of a relay, which alternates reads
/// and writes, would sample reads only.
const STEP: u32 = 0x9e37_79b9;

thread_local! {
    /// The place of the next operation on this thread.
    ///
    /// A place for each connection would sample the first operation of every short one.
    static PLACE: Cell<u32> = const { Cell::new(0) };
}

/// Counts an operation; returns whether its size is sampled.
pub(super) fn is_sampled() -> bool {
    let place = PLACE.get();
    PLACE.set(place.wrapping_add(STEP));
    place <= u32::MAX / SAMPLE_EVERY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_of_each_pattern_is_even() {
        const ROUNDS: u32 = 6_400;
        for kinds in 1..=8 {
            let mut sampled = [0_u32; 8];
            for _ in 0..ROUNDS {
                for kind in &mut sampled[..kinds] {
                    *kind += u32::from(is_sampled());
                }
            }
            for count in &sampled[..kinds] {
                assert!((95..=105).contains(count), "{sampled:?}");
            }
        }
    }
}
