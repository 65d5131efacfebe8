//! Whole machines of their own: clocks that step, suspend, a kernel that panics, writes that are lost.
//!
//! As root, and with qemu: `cargo test -p deploy --features lab --test vm`.
#![allow(clippy::unwrap_used, reason = "what can't be unwrapped here has failed")]
#![allow(clippy::print_stdout, reason = "what was measured is shown by --nocapture")]

mod clock;
mod crash;
mod stage;
