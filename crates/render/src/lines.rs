//! A run as plain lines, for logs and CI: no colours, no cursor. Of thousands of hosts equal lines are folded, and a line
//! of counts says from time to time that the run goes on.

mod slow;

use crate::board::Board;
use crate::clock::Clock;
use crate::pulse::Pulse;
use crate::subscriber::Subscriber;
use crate::telling::{Line, Telling};
use crate::ticker::Ticker;
use crate::told::clock_time;
use crate::wording::Verbosity;
use slow::SlowOnes;
use snapback_core::event::{Event, EventKind};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is looked whether something is to be told while nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// The same of many hosts: those that become slow within it are named together.
const LOOK_AT_MANY: Duration = Duration::from_secs(10);

/// A longer name pushes its own line to the right, not everybody's.
const WIDEST_HOST: usize = 24;

/// What stands in the host's column of a line about the run as a whole.
const RUN: &str = "-";

/// Writes `HH:MM:SSZ host  text` for what is worth a line.
pub struct Lines {
    log: Arc<Mutex<Log>>,
    ticker: Option<Ticker>,
}

impl Lines {
    /// Returns a subscriber that writes lines to `out`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, verbosity: Verbosity) -> Self {
        let log = Log {
            out,
            host_width: RUN.len(),
            board: Board::default(),
            telling: Telling::new(verbosity, |_| false),
            pulse: Pulse::default(),
            slow: SlowOnes::default(),
            clock: Clock::real(),
            looked_ms: 0,
            away: false,
        };
        Self { log: Arc::new(Mutex::new(log)), ticker: None }
    }

    /// Has it go on while nothing happens: whoever waits learns that the run does too.
    #[must_use]
    pub fn live(self) -> Self {
        let log = Arc::clone(&self.log);
        let look = move || {
            let mut log = enter(&log);
            let now_ms = log.clock.now_ms();
            // Where nobody reads any more the next event says so.
            let _gone = log.look(now_ms);
        };
        Self { ticker: Some(Ticker::start("lines", LOOK, look)), ..self }
    }
}

impl Subscriber for Lines {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        enter(&self.log).hear(event)
    }

    fn make_way(&mut self) -> io::Result<()> {
        enter(&self.log).away = true;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.ticker = None;
        enter(&self.log).out.flush()
    }
}

struct Log {
    out: Box<dyn Write + Send>,
    host_width: usize,
    board: Board,
    telling: Telling,
    pulse: Pulse,
    slow: SlowOnes,
    clock: Clock,
    /// When it was last looked, by the clock of the events.
    looked_ms: u64,
    /// Somebody else writes, until the next event.
    away: bool,
}

impl Log {
    fn hear(&mut self, event: &Event) -> io::Result<()> {
        self.away = false;
        self.clock.hear(event.at_ms);
        self.look(event.at_ms)?;
        self.board.hear(event);
        if let EventKind::RunStarted { hosts, .. } = &event.kind {
            let widest = hosts.iter().map(|host| crate::row::width(host.as_str())).max();
            self.host_width = widest.unwrap_or_default().clamp(RUN.len(), WIDEST_HOST);
            self.pulse.begin(event.at_ms, self.telling.folds_of(hosts.len()));
        }
        let mut lines = self.telling.hear(event);
        if matches!(event.kind, EventKind::RunFinished { .. }) && self.telling.folds() {
            let at = lines.len().saturating_sub(1);
            lines.insert(at, self.counts(event.at_ms));
        }
        self.write(event.at_ms, &lines)
    }

    /// Tells what nobody says: that hosts are slow, and that the run goes on.
    fn look(&mut self, now_ms: u64) -> io::Result<()> {
        let looked = Duration::from_millis(now_ms.saturating_sub(self.looked_ms));
        let often = if self.telling.folds() { LOOK_AT_MANY } else { LOOK };
        if self.away || !self.pulse.beats() || looked < often {
            return Ok(());
        }
        self.looked_ms = now_ms;
        let slow = self.slow.due(self.board.slow(now_ms), now_ms);
        self.write(now_ms, &slow)?;
        if self.pulse.is_due(now_ms) {
            let mut lines = self.telling.folded();
            lines.push(self.counts(now_ms));
            self.write(now_ms, &lines)?;
        }
        Ok(())
    }

    fn counts(&self, now_ms: u64) -> Line {
        let stage = self.board.stage(now_ms);
        let gap = if stage.is_empty() { "" } else { "; " };
        Line::of_run(format!("counts: {}{gap}{stage}", self.board.counts().row().plain()))
    }

    fn write(&mut self, at_ms: u64, lines: &[Line]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        for Line { host, text, .. } in lines {
            let host = if host.is_empty() { RUN } else { host };
            let gap = " ".repeat(self.host_width.saturating_sub(crate::row::width(host)));
            writeln!(self.out, "{} {host}{gap}  {text}", clock_time(at_ms))?;
        }
        self.pulse.wrote(at_ms);
        self.out.flush()
    }
}

fn enter(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    // A line that panicked was not written, and nothing worse.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
