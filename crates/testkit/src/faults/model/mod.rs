//! A world of target models, and lines to them that fail: the engine plays against it in virtual time.
//!
//! A [`Host`] keeps what a real one keeps on disk, moves only as `core::target` allows, and does by itself what
//! supervisor, backup and boot hook do. Nothing runs in it: whoever looks first lets happen what was due until now.
//! [`Line`] is a `Connector`; each controller has one of its own, and loses all its connections when it is killed.

mod fault;
mod host;
mod line;
mod transaction;
mod verbs;
mod world;

pub use fault::{LineFault, TargetFault};
pub use host::Host;
pub use line::Line;
pub use transaction::{Behaviour, Transaction};
pub use world::{Sabotage, World};
