//! The built-in `tcp` check: does something accept connections.

use super::Heard;
use super::dial::{Endpoint, Limit, dial};
use snapback_core::check::Answer;
use std::time::Duration;

/// Connects once and hangs up.
pub(super) async fn ask(host: &str, port: u16, limit: Duration) -> Heard {
    let endpoint = Endpoint::new(host, port);
    match dial(&endpoint, Limit::start(limit)).await {
        Ok(_) => (Answer::Passed, vec![format!("connected to {endpoint}")]),
        Err(answer) => (answer, Vec::new()),
    }
}
