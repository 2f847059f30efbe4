//! Timestamps in UTC (RFC 3339), to the millisecond.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, printed as `2026-01-31T09:30:00.125Z`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp(u64);

/// The end of the year 9999, the last with four digits.
const MAX_MILLIS: u64 = 253_402_300_799_999;

impl Timestamp {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Self(u64::try_from(millis).map_or(MAX_MILLIS, |millis| millis.min(MAX_MILLIS)))
    }

    #[cfg(test)]
    pub(super) const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }
}

impl Timestamp {
    /// Appends it, several times faster than the formatting macros do.
    pub(super) fn push(self, line: &mut String) {
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        for (number, digits, after) in [
            (year, 4, '-'),
            (month, 2, '-'),
            (day, 2, 'T'),
            (hour, 2, ':'),
            (minute, 2, ':'),
            (second, 2, '.'),
            (millis, 3, 'Z'),
        ] {
            for place in (0..digits).rev() {
                let digit = number / 10_u64.pow(place) % 10;
                line.push(char::from(b'0' + digit.to_le_bytes()[0]));
            }
            line.push(after);
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push(&mut text);
        f.write_str(&text)
    }
}

/// Converts days since 1970-01-01 to year, month and day.
///
/// Years start on 1 March of the year 0, so that the leap day is the last day of a year, in cycles
/// of 400 years (Gregorian calendar).
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_EPOCH: u64 = 719_468;
    const CYCLE: u64 = 146_097;
    let days = days + DAYS_TO_EPOCH;
    let (cycle, day) = (days / CYCLE, days % CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = 400 * cycle + year + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_of_known_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            let moment = Timestamp::from_unix_millis(seconds * 1000 + 7);
            assert_eq!(moment.to_string(), format!("{text}.007Z"));
        }
    }

    #[test]
    fn days_are_consecutive() {
        let mut before = civil(0);
        for days in 1..200_000 {
            let (year, month, day) = civil(days);
            let next_day = (year, month) == (before.0, before.1) && day == before.2 + 1;
            let next_month = day == 1 && (year * 12 + month) == (before.0 * 12 + before.1) + 1;
            assert!(next_day || next_month, "{before:?} {:?}", civil(days));
            before = (year, month, day);
        }
    }
}
