//! `deploy logs HOST`: all that a run told of a host, from this controller's record.

use crate::args::{GlobalArgs, LogsArgs, Output};
use crate::exit::Usage;
use snapback_core::outcome::ExitCode;
use snapback_render::{Json, Lines, Subscriber, Verbosity};
use std::io;

/// Runs the command; no host is contacted.
pub(crate) fn run(global: &GlobalArgs, args: &LogsArgs) -> anyhow::Result<u8> {
    let record = super::signal::find(global, &args.run)?;
    if !record.header.hosts.iter().any(|host| host.as_str() == args.host) {
        let text = format!("error: {} is no host of run {}", args.host, record.header.run);
        return Err(Usage(text).into());
    }
    let out = Box::new(io::stdout());
    let mut shown: Box<dyn Subscriber> = match global.output {
        Output::Human => Box::new(Lines::new(out, Verbosity::Everything)),
        Output::Json => Box::new(Json::new(out)),
    };
    let of_host = |name: &str| name == args.host;
    for event in record.events.iter().filter(|e| e.host.as_ref().is_some_and(|h| of_host(h.as_str()))) {
        shown.on_event(event)?;
    }
    shown.finish()?;
    Ok(ExitCode::Good as u8)
}
