//! `deploy demo`, as anybody would run it: it keeps its promises and leaves nothing behind, however it ends.
#![allow(clippy::unwrap_used, reason = "what can't be unwrapped here has failed")]

mod ends;
mod leftovers;
mod player;
