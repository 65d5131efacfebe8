//! What tests need: real sshds, hosts in a lab, lines that fail on command, and hosts that follow a script.
//!
//! No product crate depends on this one.

pub mod lab;
mod processes;
pub mod program;
pub mod relay;
pub mod scripted;
pub mod simulated;
pub mod sshd;
