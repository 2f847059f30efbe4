//! A search in the memory of another process (`proc(5)`).

use std::fs::{read_to_string, File};
use std::os::unix::fs::FileExt;

/// Zero pages are skipped, because most of a region was never touched.
const PAGE: usize = 4096;

/// Returns whether writable memory of the process contains each needle.
///
/// No needle may begin with a 0.
pub(crate) fn find<const N: usize>(process: u32, needles: [&[u8]; N]) -> [bool; N] {
    let maps = read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut found = [false; N];
    for (from, to) in maps.lines().filter_map(writable) {
        let mut region = vec![0; usize::try_from(to - from).unwrap()];
        // Some regions of the kernel cannot be read.
        if memory.read_exact_at(&mut region, from).is_ok() {
            for (found, needle) in found.iter_mut().zip(needles) {
                *found |= holds(&region, needle);
            }
        }
    }
    found
}

/// Returns the bounds of a writable region: `55d0c0000000-55d0c0021000 rw-p …`.
fn writable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split(' ');
    let (from, to) = fields.next()?.split_once('-')?;
    let is_writable = fields.next()?.starts_with("rw");
    let hex = |text| u64::from_str_radix(text, 16).unwrap();
    is_writable.then(|| (hex(from), hex(to)))
}

fn holds(region: &[u8], needle: &[u8]) -> bool {
    let pages = (0..region.len()).step_by(PAGE);
    let pages = pages.filter(|at| region[*at..*at + PAGE] != [0; PAGE]);
    pages.into_iter().any(|at| {
        let end = (at + PAGE + needle.len() - 1).min(region.len());
        let page = &region[at..end];
        page.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn needle_found_at_any_offset() {
    let needle = b"needle";
    for at in [0, 1, PAGE - 3, PAGE, 3 * PAGE - 6] {
        let mut region = vec![0; 3 * PAGE];
        assert!(!holds(&region, needle));
        region[at..at + 6].copy_from_slice(needle);
        assert!(holds(&region, needle), "at {at}");
        region[at + 2] = b'E';
        assert!(!holds(&region, needle), "at {at}");
    }
}
