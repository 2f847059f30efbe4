//! Handles by which streams and places report to the books.

use crate::books::{Place, SharedBooks};
use crate::net::{PlaceWatch, StreamWatch};

/// Reports one stream of the transport to the books.
#[derive(Debug)]
pub(crate) struct StreamTally {
    books: SharedBooks,
    id: usize,
}

impl StreamTally {
    pub(crate) const fn new(books: SharedBooks, id: usize) -> Self {
        Self { books, id }
    }
}

impl StreamWatch for StreamTally {
    fn read(&self, bytes: usize) {
        self.books.lock().moved(self.id, true, bytes as u64);
    }

    fn wrote(&self, bytes: usize) {
        self.books.lock().moved(self.id, false, bytes as u64);
    }

    fn read_end(&self) {
        self.books.lock().read_end(self.id);
    }

    fn write_waits(&self, taken: u64) {
        self.books.lock().write_waits(self.id, taken);
    }

    fn write_failed(&self) {
        self.books.lock().write_failed(self.id);
    }

    fn ended(&self) {
        self.books.lock().ended(self.id);
    }

    fn aborted(&self) {
        self.books.lock().aborted(self.id);
    }
}

impl Drop for StreamTally {
    fn drop(&mut self) {
        self.books.lock().gone(self.id);
    }
}

/// Reports the place of one accepted connection to the books.
#[derive(Debug)]
pub(crate) struct PlaceTally {
    books: SharedBooks,
    id: usize,
}

impl PlaceTally {
    pub(crate) const fn new(books: SharedBooks, id: usize) -> Self {
        Self { books, id }
    }
}

impl PlaceWatch for PlaceTally {
    fn accepted(&self) {
        self.books.lock().placed(self.id, Place::Accepted);
    }

    fn began(&self) {
        self.books.lock().placed(self.id, Place::Pending);
    }

    fn established(&self) {
        self.books.lock().placed(self.id, Place::Established);
    }
}

impl Drop for PlaceTally {
    fn drop(&mut self) {
        self.books.lock().placed(self.id, Place::Gone);
    }
}
