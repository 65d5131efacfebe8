//! engine

pub mod local_check;
