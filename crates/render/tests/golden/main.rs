//! What people and programs see, as the pages they see.
#![expect(clippy::unwrap_used, reason = "what builds a test's input may fail as the test itself may")]

mod doctor;
mod fleet;
mod hostile;
mod json;
mod lines;
mod page;
mod plan;
mod plan_kinds;
mod plan_scale;
mod planned;
mod progress;
mod recorded;
mod rollout;
mod scale;
mod status;
mod summary;
