//! The demo's stage: three sshd of its own on loopback, their fleet files, and somebody who cleans up behind them.
//!
//! `command/demo.rs` plays on it with the engine that every other command uses.

mod audience;
mod caretaker;
mod fleet_files;
mod host;
mod playground;
mod programs;
mod promises;

pub(crate) use audience::{Audience, Memory};
pub(crate) use fleet_files::{ACT_ONE, ACT_TWO};
pub(crate) use host::DemoHost;
pub(crate) use playground::Playground;
pub(crate) use promises::Promises;
