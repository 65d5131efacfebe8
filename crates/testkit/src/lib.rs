//! What tests need: real sshds, hosts in a lab, lines that fail on command, hosts that follow a script, and faults by
//! the thousand.
//!
//! No product crate depends on this one.

pub mod faults;
pub mod lab;
mod processes;
pub mod program;
pub mod relay;
pub mod scripted;
pub mod simulated;
pub mod sshd;
pub mod vm;
