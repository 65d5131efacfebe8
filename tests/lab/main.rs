//! Tests on real hosts: namespaces with a root of their own, real sshd, real systemd. They need root.
#![allow(clippy::unwrap_used, reason = "what can't be unwrapped here has failed")]

mod network;
mod power;
mod roots;
mod ways_in;
