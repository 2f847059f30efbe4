//! The value parsers: accepted and refused texts, and round trips.

use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use transport_core::schema::{
    format_bool, format_duration, format_size, parse_bool, parse_count, parse_duration, parse_size,
    Raw, ValueError,
};

/// Parses a text and formats the value.
type Rewrite = fn(&str) -> Option<String>;

fn rewrite<T>(
    parse: fn(&str) -> Result<T, ValueError>,
    format: fn(T) -> String,
    text: &str,
) -> Option<String> {
    parse(text).ok().map(format)
}

const PARSERS: &[(&str, Rewrite)] = &[
    ("bool", |text| rewrite(parse_bool, format_bool, text)),
    ("count", |text| {
        rewrite(parse_count, |n| n.to_string(), text)
    }),
    ("duration", |text| {
        rewrite(parse_duration, format_duration, text)
    }),
    ("size", |text| rewrite(parse_size, format_size, text)),
];

/// Parser, text, and the formatted value; `None` is refused.
const CASES: &[(&str, &str, Option<&str>)] = &[
    ("bool", "on", Some("true")),
    ("bool", "TRUE", Some("true")),
    ("bool", "Off", Some("false")),
    ("bool", "1", None),
    ("bool", "yes", None),
    ("bool", "", None),
    ("count", "0", Some("0")),
    ("count", "007", Some("7")),
    (
        "count",
        "18446744073709551615",
        Some("18446744073709551615"),
    ),
    ("count", "18446744073709551616", None),
    ("count", "-1", None),
    ("count", "+1", None),
    ("count", "1_000", None),
    ("count", "1.0", None),
    ("count", "", None),
    ("count", "\u{0661}", None),
    ("duration", "0", Some("0s")),
    ("duration", "OFF", Some("0s")),
    ("duration", "250ms", Some("250ms")),
    ("duration", "5 s", Some("5s")),
    ("duration", "60s", Some("60s")),
    ("duration", "1m", Some("60s")),
    ("duration", "120s", Some("2m")),
    ("duration", "1h", Some("60m")),
    (
        "duration",
        "18446744073709551615ms",
        Some("18446744073709551615ms"),
    ),
    ("duration", "18446744073709551616ms", None),
    ("duration", "18446744073709551615s", None),
    ("duration", "5", None),
    ("duration", "5S", None),
    ("duration", "1.5s", None),
    ("duration", "1h30m", None),
    ("duration", "-5s", None),
    ("duration", "s", None),
    ("duration", "", None),
    ("size", "off", Some("0")),
    ("size", "1023", Some("1023")),
    ("size", "1024", Some("1KiB")),
    ("size", "65536B", Some("64KiB")),
    ("size", "8 MiB", Some("8MiB")),
    ("size", "1024MiB", Some("1GiB")),
    ("size", "18446744073709551615", Some("18446744073709551615")),
    ("size", "17179869184GiB", None),
    ("size", "64KB", None),
    ("size", "64kib", None),
    ("size", "1.5MiB", None),
    ("size", "KiB", None),
    ("size", "", None),
];

#[test]
fn texts_parse_as_listed() {
    for (name, text, want) in CASES {
        let (_, rewrite) = PARSERS.iter().find(|(parser, _)| parser == name).unwrap();
        assert_eq!(rewrite(text).as_deref(), *want, "{name} {text:?}");
    }
}

fn same<T: Copy + Debug + PartialEq>(read: Result<T, ValueError>, want: Option<T>) {
    assert_eq!(read.ok(), want);
}

proptest! {
    #[test]
    fn formatted_text_is_stable(
        text in prop_oneof![any::<String>(), "[0-9]{0,21} {0,2}[a-zA-Z]{0,3}"],
    ) {
        for (name, rewrite) in PARSERS {
            if let Some(written) = rewrite(&text) {
                prop_assert_eq!(rewrite(&written), Some(written.clone()), "{} {:?}", name, text);
            }
        }
    }

    #[test]
    fn every_value_reads_back(n in any::<u64>(), shift in 0_u32..64, flag in any::<bool>()) {
        let n = n >> shift;
        same(parse_count(&n.to_string()), Some(n));
        same(parse_size(&format_size(n)), Some(n));
        let time = Duration::from_millis(n);
        same(parse_duration(&format_duration(time)), Some(time));
        same(parse_bool(&format_bool(flag)), Some(flag));
    }

    #[test]
    fn units_scale_without_overflow(n in any::<u64>(), shift in 0_u32..64) {
        let n = n >> shift;
        for (unit, factor) in [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)] {
            same(parse_size(&format!("{n}{unit}")), n.checked_mul(factor));
        }
        for (unit, millis) in [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)] {
            let want = n.checked_mul(millis).map(Duration::from_millis);
            same(parse_duration(&format!("{n}{unit}")), want);
        }
    }

    #[test]
    fn comma_list_equals_array(
        items in prop::collection::vec("[a-z0-9./:-]{1,8}", 0..5),
    ) {
        let text = Raw::Text(items.join(" , "));
        prop_assert_eq!(text.list(), items.clone());
        prop_assert_eq!(Raw::List(items.clone()).list(), items.clone());
        prop_assert!(Raw::List(items).text().is_err());
    }
}
