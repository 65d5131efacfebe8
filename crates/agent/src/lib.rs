//! The agent: the shell that carries a transaction out on the target, and how the controller talks to it.
//!
//! This crate performs no IO. It bundles the scripts of `agent-scripts/` ([`bundle`]), writes what is sent
//! ([`payload`], [`call`]) and reads what comes back ([`answer`], [`inspect`]). The protocol is described in
//! `docs/agent-protocol.md`.

pub mod answer;
pub mod bundle;
pub mod call;
mod hash;
pub mod inspect;
pub mod journal;
pub mod payload;

pub use hash::sha256_hex;
