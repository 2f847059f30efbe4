//! The head of a request to the admin endpoint.
//!
//! The result does not depend on the pieces of the input, and each refusal is a response.

#[allow(dead_code, unused_imports, unreachable_pub)]
#[path = "../../../../crates/ron-gateway/src/admin/head.rs"]
mod head;
#[allow(dead_code, unused_imports, unreachable_pub)]
#[path = "../../../../crates/ron-gateway/src/admin/response.rs"]
mod response;

use head::{HeadError, RequestHead};

use crate::pieces::{PieceSizes, Pieces};
use crate::runtime::block_on;

/// The limit of a head, in bytes.
///
/// Around it, the pieces of the input may change the result.
const BELOW_LIMIT: usize = 16 * 1024;

pub(crate) fn run(bytes: &[u8]) {
    let whole = block_on(head::read(&mut &*bytes));
    let mut pieces = Pieces::new(bytes.to_vec(), PieceSizes::of(bytes));
    let split = block_on(head::read(&mut pieces));
    if bytes.len() < BELOW_LIMIT {
        assert_eq!(comparable(&whole), comparable(&split));
    }
    match whole {
        Ok(head) => check(&head),
        Err(HeadError::Wrong(response)) => {
            let bytes = response.bytes();
            assert!(bytes.starts_with(b"HTTP/1.1 4") || bytes.starts_with(b"HTTP/1.1 505"));
        }
        Err(HeadError::Gone) => {}
    }
}

fn check(head: &RequestHead) {
    for text in [&head.method, &head.path, &head.query] {
        let is_token = |byte: u8| byte > b' ' && byte != 0x7f;
        assert!(text.bytes().all(is_token), "{head:?}");
    }
    assert!(!head.path.contains('?'), "{head:?}");
    assert!(head.hosts.len() <= 2, "{head:?}");
    let clean = |host: &String| !host.bytes().any(|byte| byte < b' ' && byte != b'\t');
    assert!(head.hosts.iter().all(clean), "{head:?}");
}

/// Returns a result as text, without the date of a response.
fn comparable(result: &Result<RequestHead, HeadError>) -> String {
    match result {
        Ok(head) => format!("{head:?}"),
        Err(HeadError::Wrong(response)) => format!("{:?}", response.status),
        Err(HeadError::Gone) => "gone".into(),
    }
}
