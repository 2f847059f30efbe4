//! Shares a value that only `&mut` may reach.

use std::sync::{Mutex, PoisonError};

/// Makes a `Send` value `Sync`.
///
/// `&self` gives no access, and `&mut self` needs no lock. The mutex is never locked.
/// `std::sync::Exclusive` does the same and is unstable.
pub(crate) struct Exclusive<T: ?Sized>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
