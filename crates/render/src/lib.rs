//! Shows a run to people and to programs. It sees plain data from `snapback-core` alone: what is told about a
//! run arrives as events, what would be done arrives as a [`plan::PlanView`]; nothing here contacts a host.
//!
//! A [`FanOut`] hands each event to its [`Subscriber`]s: [`Progress`] on a terminal or [`Lines`] without one,
//! [`Json`] for programs, [`Summary`] for the end, [`Armed`] for whoever leaves before it. One that breaks is dropped and never stops a run.
//!
//! Whatever a target said passes through [`snapback_core::event::visible`] before it is written, so that no
//! host can drive the terminal of the person who deploys to it.

mod armed;
mod board;
mod clock;
mod columns;
pub mod doctor;
pub mod held;
pub mod history;
mod json;
pub mod lease;
mod lines;
mod names;
mod palette;
pub mod plan;
mod progress;
mod pulse;
mod quantity;
pub mod question;
mod row;
pub mod status;
mod subscriber;
mod summary;
mod telling;
mod ticker;
mod told;
mod wording;

pub use armed::Armed;
pub use json::Json;
pub use lines::Lines;
pub use progress::{Progress, Screen};
pub use quantity::{age, bytes, elapsed, limit};
pub use subscriber::{FanOut, Subscriber};
pub use summary::Summary;
pub use wording::Verbosity;
