//! A run on a terminal: a line for each host at work, a total bar, and what happened scrolling above them.

use crate::board::Board;
use crate::palette::Palette;
use crate::subscriber::Subscriber;
use crate::wording::{Verbosity, level, phrase};
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use snapback_core::event::{CheckStatus, Event, EventKind};
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often countdowns are redrawn while nothing happens.
const REDRAW: Duration = Duration::from_millis(500);

/// Where progress is drawn.
pub struct Screen {
    /// What indicatif draws on.
    pub target: ProgressDrawTarget,
    /// How many lines it has now; asked again at each drawing, as windows change size.
    pub rows: Box<dyn Fn() -> usize + Send>,
    /// The time since a moment of its own choice; only how it moves matters.
    pub clock: Box<dyn Fn() -> Duration + Send>,
    /// Whether it shows colours.
    pub colour: bool,
}

impl Screen {
    /// Returns the terminal behind standard error.
    #[must_use]
    pub fn stderr(colour: bool) -> Self {
        let rows = Box::new(|| usize::from(Term::stderr().size().0));
        let began = Instant::now();
        Self { target: ProgressDrawTarget::stderr(), rows, clock: Box::new(move || began.elapsed()), colour }
    }
}

/// Draws a run on a terminal and takes it away when the run is over.
pub struct Progress {
    stage: Arc<Mutex<Stage>>,
    verbosity: Verbosity,
    ticker: Option<Ticker>,
}

impl Progress {
    /// Returns progress on a screen. Countdowns go on while nothing happens.
    #[must_use]
    pub fn new(screen: Screen, verbosity: Verbosity) -> Self {
        let stage = Arc::new(Mutex::new(Stage::new(screen)));
        let ticker = Ticker::start(Arc::clone(&stage));
        Self { stage, verbosity, ticker: Some(ticker) }
    }
}

impl Subscriber for Progress {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        let mut stage = enter(&self.stage);
        stage.board.hear(event);
        stage.come_back();
        stage.heard = Some((event.at_ms, (stage.clock)()));
        let told = is_told_above(&event.kind) && level(&event.kind) <= self.verbosity;
        if told || self.verbosity == Verbosity::Everything {
            let line = stage.line(event);
            stage.multi.println(line)?;
        }
        stage.draw();
        Ok(())
    }

    fn make_way(&mut self) -> io::Result<()> {
        enter(&self.stage).leave()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.ticker = None;
        enter(&self.stage).clear()
    }
}

/// What a host's own line already shows while it happens isn't told again above it.
fn is_told_above(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::RunStarted { .. }
            | EventKind::RunFinished { .. }
            | EventKind::GuardArmed { .. }
            | EventKind::ChangeFinished { .. }
            | EventKind::Applied { .. }
            | EventKind::CheckFinished { status: CheckStatus::Passed, .. }
    )
}

/// The lines at the bottom of the screen and what they are drawn from.
struct Stage {
    board: Board,
    palette: Palette,
    multi: MultiProgress,
    total: ProgressBar,
    rows: Vec<ProgressBar>,
    /// Nothing is drawn while somebody else writes.
    away: bool,
    screen_rows: Box<dyn Fn() -> usize + Send>,
    clock: Box<dyn Fn() -> Duration + Send>,
    /// When the latest event was, by its own clock and by the screen's.
    heard: Option<(u64, Duration)>,
}

impl Stage {
    fn new(screen: Screen) -> Self {
        let multi = MultiProgress::with_draw_target(screen.target);
        let total = multi.add(total_bar());
        let palette = Palette::new(screen.colour);
        let board = Board::default();
        Self {
            board,
            palette,
            multi,
            total,
            rows: Vec::new(),
            away: false,
            screen_rows: screen.rows,
            clock: screen.clock,
            heard: None,
        }
    }

    /// The time of the events, carried on since the last one: its clock is the only one a countdown can use.
    fn now_ms(&self) -> u64 {
        let since = |heard| u64::try_from((self.clock)().saturating_sub(heard).as_millis()).unwrap_or(0);
        self.heard.map_or(0, |(at_ms, heard)| at_ms.saturating_add(since(heard)))
    }

    fn line(&self, event: &Event) -> String {
        let host = event.host.as_ref().map_or("", |h| h.as_str());
        let phrase = phrase(&event.kind);
        let text = match &event.kind {
            EventKind::HostFinished { result, .. } => self.palette.result(*result, &phrase),
            EventKind::Output { .. } => self.palette.faint(&phrase),
            _ if level(&event.kind) == Verbosity::Everything => self.palette.faint(&phrase),
            _ => self.palette.notable(&phrase),
        };
        if host.is_empty() { text } else { format!("{}  {text}", self.palette.heading(host)) }
    }

    fn draw(&mut self) {
        if self.away {
            return;
        }
        let now_ms = self.now_ms();
        // One line for the total bar, and some for what scrolls above.
        let room = (self.screen_rows)().saturating_sub(4).max(2);
        let wanted = self.board.rows(now_ms, room, self.palette);
        self.fit(wanted.len());
        for (row, text) in self.rows.iter().zip(wanted) {
            if row.message() != text {
                row.set_message(text);
            }
        }
        let (done, total) = self.board.done_of_total();
        self.total.set_length(total as u64);
        self.total.set_message(self.board.tally(now_ms, self.palette));
        self.total.set_position(done as u64);
    }

    fn fit(&mut self, wanted: usize) {
        while self.rows.len() > wanted {
            if let Some(row) = self.rows.pop() {
                row.finish_and_clear();
                self.multi.remove(&row);
            }
        }
        while self.rows.len() < wanted {
            let row = ProgressBar::new_spinner().with_style(style("{wide_msg}"));
            self.rows.push(self.multi.insert_before(&self.total, row));
        }
    }

    fn leave(&mut self) -> io::Result<()> {
        self.away = true;
        self.clear()?;
        self.multi.remove(&self.total);
        Ok(())
    }

    fn come_back(&mut self) {
        if std::mem::take(&mut self.away) {
            self.total = self.multi.add(total_bar());
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.fit(0);
        self.total.finish_and_clear();
        self.multi.clear()
    }
}

fn total_bar() -> ProgressBar {
    ProgressBar::new(0).with_style(style("{bar:20} {pos}/{len}  {wide_msg}"))
}

fn style(template: &str) -> ProgressStyle {
    // A template is a constant of this file; a wrong one shows as the default bar in every test of it.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn enter(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    // A drawing that panicked left text in a strange place and nothing worse.
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Redraws while nothing happens; stops when it is dropped.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(stage: Arc<Mutex<Stage>>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let redraw = move || {
            while stopped.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                enter(&stage).draw();
            }
        };
        // Without a thread the countdown moves with the events alone, which is no reason to fail a run.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(redraw).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It can only have panicked while drawing, which the default hook has already told.
            let _panicked = thread.join();
        }
    }
}
