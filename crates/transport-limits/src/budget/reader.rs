//! Whose bytes a relay has just read: its streams are of any type, and may be erased.

use std::cell::RefCell;
use std::sync::Arc;

use crate::shared::Shared;

thread_local! {
    /// `Some` during a read that asks for it.
    static READER: RefCell<Option<Option<Arc<Shared>>>> = const { RefCell::new(None) };
}

/// Reads, and says which guarded connection the bytes came from.
pub(crate) fn attributed<T>(read: impl FnOnce() -> T) -> (T, Option<Arc<Shared>>) {
    READER.with(|reader| *reader.borrow_mut() = Some(None));
    let result = read();
    let reader = READER.with(RefCell::take);
    (result, reader.flatten())
}

/// Notes that this connection was read from.
pub(crate) fn note_reader(shared: &Arc<Shared>) {
    READER.with(|reader| {
        if let Some(reader) = &mut *reader.borrow_mut() {
            *reader = Some(Arc::clone(shared));
        }
    });
}
