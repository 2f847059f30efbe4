//! A shared value that a reload replaces.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// A shared value that a reload replaces while others use it.
///
/// Clones share the value. A reader keeps the value that [`get`](Self::get) returned; the next
/// `get` returns the new one.
///
/// ```
/// use transport_core::Reloadable;
///
/// let greeting = Reloadable::new("hello");
/// let reader = greeting.clone();
/// greeting.replace("good morning");
/// assert_eq!(*reader.get(), "good morning");
/// ```
pub struct Reloadable<T>(Arc<RwLock<Arc<T>>>);

impl<T> Reloadable<T> {
    /// Wraps the first value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// Returns the current value.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value for all clones.
    pub fn replace(&self, value: impl Into<Arc<T>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value.into();
    }

    /// Replaces the value unless it is no longer `seen`.
    ///
    /// Returns whether it replaced the value. A slow reader of files thereby does not undo a reload
    /// that came in between.
    ///
    /// A slow reader of files thereby does not undo a reload that came in between.
    pub fn replace_if_current(&self, seen: &Arc<T>, value: T) -> bool {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_current = Arc::ptr_eq(&current, seen);
        if is_current {
            *current = Arc::new(value);
        }
        is_current
    }
}

impl<T> From<Arc<T>> for Reloadable<T> {
    fn from(value: Arc<T>) -> Self {
        Self(Arc::new(RwLock::new(value)))
    }
}

impl<T> Clone for Reloadable<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Reloadable<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Reloadable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reloadable").field(&self.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_reader_does_not_undo_replacement() {
        let value = Reloadable::new(1);
        let seen = value.get();
        value.replace(2);
        assert!(!value.replace_if_current(&seen, 3));
        assert_eq!(*value.get(), 2);
        let seen = value.get();
        assert!(value.clone().replace_if_current(&seen, 4));
        assert_eq!((*seen, *value.get()), (2, 4));
    }
}
