<<<<<<< HEAD
//! What tests need: real hosts in a lab.

pub mod lab;
=======
//! What tests need: real sshds, lines that fail on command, and hosts that follow a script.
//!
//! No product crate depends on this one.

mod processes;
pub mod relay;
pub mod scripted;
pub mod sshd;
>>>>>>> transport
