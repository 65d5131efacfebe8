//! A run as plain lines, for logs and CI: no colours, no cursor, one line an event.

use crate::subscriber::Subscriber;
use crate::told::clock_time;
use crate::wording::{Verbosity, level, phrase};
use snapback_core::event::{Event, EventKind};
use std::io::{self, Write};

/// Writes `HH:MM:SSZ host  text` for each event worth a line.
pub struct Lines {
    out: Box<dyn Write + Send>,
    verbosity: Verbosity,
    host_width: usize,
}

/// A longer name pushes its own line to the right, not everybody's.
const WIDEST_HOST: usize = 24;

/// What stands in the host's column of a line about the run as a whole.
const RUN: &str = "-";

impl Lines {
    /// Returns a subscriber that writes lines to `out`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, verbosity: Verbosity) -> Self {
        Self { out, verbosity, host_width: RUN.len() }
    }
}

impl Subscriber for Lines {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        if let EventKind::RunStarted { hosts, .. } = &event.kind {
            let widest = hosts.iter().map(|h| h.as_str().chars().count()).max();
            self.host_width = widest.unwrap_or_default().clamp(RUN.len(), WIDEST_HOST);
        }
        if level(&event.kind) > self.verbosity {
            return Ok(());
        }
        let host = event.host.as_ref().map_or(RUN, |h| h.as_str());
        let width = self.host_width;
        writeln!(self.out, "{} {host:<width$}  {}", clock_time(event.at_ms), phrase(&event.kind))?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
