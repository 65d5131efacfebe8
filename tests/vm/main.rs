//! Whole machines of their own: clocks that step, suspend, a kernel that panics, writes that are lost.
//!
//! As root, and with qemu: `cargo test -p deploy --features lab --test vm`.

mod clock;
mod crash;
mod stage;
