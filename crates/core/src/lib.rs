//! The pure heart of snapback: what a host, a change and a check are, which moves of a transaction are
//! legal, and the words in which a result is told.
//!
//! Nothing here performs IO, reads a clock, or prints: times and facts are given to it as values. Every other
//! crate may depend on this one; it depends on none of them.
//!
//! Start with [`lifecycle`] (what may happen to a host), then [`job`] (what is to be done to it) and
//! [`event`] (what is told about it).

pub mod change;
pub mod check;
pub mod content;
pub mod deadline;
pub mod event;
pub mod hook;
pub mod host;
pub mod inspection;
pub mod job;
pub mod lease;
pub mod lifecycle;
pub mod local_change;
pub mod outcome;
pub mod proof;
pub mod rollout;
pub mod target;
pub mod undo;
pub mod way;
