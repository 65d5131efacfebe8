//! What tests need: real hosts in a lab.

pub mod lab;
