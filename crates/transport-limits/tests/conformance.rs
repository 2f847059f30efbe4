//! The conformance suite with the in-memory backend.

use transport_testkit::MemoryHarness;

transport_testkit::conformance!(MemoryHarness, paused);
