//! Local checks with real processes and real listeners.

#![expect(clippy::unwrap_used, reason = "the lint knows tests, but not the functions that they share")]

mod commands;
mod http;
mod judged;
mod stage;
mod tcp;
