//! What the guard does beyond the conformance suite: exact, in memory and with paused time.

mod accept;
mod clocks;
mod events;
mod frames;
mod pacing;
mod reload;
mod rig;
mod vectored;
