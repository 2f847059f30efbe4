//! The in-memory backend passes the suite that every backend passes.

use transport_testkit::MemoryHarness;

transport_testkit::conformance!(MemoryHarness, paused);
