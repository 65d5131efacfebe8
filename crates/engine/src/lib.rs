//! The engine: performs what core decides. It opens lines, talks to the agent, runs local checks, keeps the record,
//! and emits events; it asks no person and prints nothing.
//!
//! Read [`run`] first: plan, then apply. A host's own story is in `host`: what is heard becomes an input, core's
//! `step` says where the host goes, and the loop does what the new state asks for.

pub mod ask;
mod becoming;
mod hooks;
mod host;
pub mod local_change;
pub mod local_check;
pub mod local_command;
pub mod person;
pub mod record;
pub mod rollout;
pub mod run;
pub mod settle;
mod stream;
mod talk;
mod verdict;

pub use becoming::SudoPassword;
pub use run::{Continued, Planned, Run, RunParts};
pub use stream::{EventReceiver, Events, events};
