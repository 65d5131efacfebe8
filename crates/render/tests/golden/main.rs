//! What people and programs see, as the pages they see.

mod json;
mod lines;
mod page;
mod progress;
mod recorded;
mod summary;
