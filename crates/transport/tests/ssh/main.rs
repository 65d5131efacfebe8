//! The connector against real sshds.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod bench;
mod commands;
mod config;
mod failures;
mod host_keys;
mod leftovers;
mod user_keys;
