//! A run on a terminal: hosts at work, what the run is at and a line of counts stay at the bottom, and what happened
//! scrolls above them.

use crate::board::{Board, Size};
use crate::clock::Clock;
use crate::palette::{Palette, Tone};
use crate::pulse::Pulse;
use crate::quantity::grouped;
use crate::row::Row;
use crate::subscriber::Subscriber;
use crate::telling::{Line, Telling};
use crate::ticker::Ticker;
use crate::wording::Verbosity;
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use snapback_core::event::{CheckStatus, Event, EventKind};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often countdowns are redrawn while nothing happens.
const REDRAW: Duration = Duration::from_millis(250);

/// What happens within it is drawn at once: a busy fleet costs as little as a quiet one.
const FRAME: Duration = Duration::from_millis(100);

/// The columns of the bar, and of the gap behind it.
const BAR: usize = 21;

/// Where progress is drawn.
pub struct Screen {
    /// What indicatif draws on.
    pub target: ProgressDrawTarget,
    /// How many lines and columns it has now; asked again at each drawing, as windows change size.
    pub size: Box<dyn Fn() -> (usize, usize) + Send>,
    /// The time since a moment of its own choice; only how it moves matters.
    pub clock: Box<dyn Fn() -> Duration + Send>,
    /// The least time between two drawings.
    pub frame: Duration,
    /// Whether it shows colours.
    pub colour: bool,
}

impl Screen {
    /// Returns the terminal behind standard error; `None` where there is none that can be drawn on.
    #[must_use]
    pub fn stderr(colour: bool) -> Option<Self> {
        let target = ProgressDrawTarget::stderr();
        if target.is_hidden() {
            return None;
        }
        let size = Box::new(|| {
            let (rows, columns) = Term::stderr().size();
            (usize::from(rows), usize::from(columns))
        });
        let began = Instant::now();
        Some(Self { target, size, clock: Box::new(move || began.elapsed()), frame: FRAME, colour })
    }
}

/// Draws a run on a terminal and takes it away when the run is over.
pub struct Progress {
    stage: Arc<Mutex<Stage>>,
    ticker: Option<Ticker>,
}

impl Progress {
    /// Returns progress on a screen. Countdowns go on while nothing happens.
    #[must_use]
    pub fn new(screen: Screen, verbosity: Verbosity) -> Self {
        let stage = Arc::new(Mutex::new(Stage::new(screen, verbosity)));
        let ticking = Arc::clone(&stage);
        let redraw = move || {
            // Where the terminal has gone the next event says so.
            let _gone = enter(&ticking).draw_if_due();
        };
        let ticker = Ticker::start("progress", REDRAW, redraw);
        Self { stage, ticker: Some(ticker) }
    }
}

impl Subscriber for Progress {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        let mut stage = enter(&self.stage);
        stage.hear(event);
        stage.draw_if_due()
    }

    fn make_way(&mut self) -> io::Result<()> {
        enter(&self.stage).leave()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.ticker = None;
        enter(&self.stage).leave()
    }
}

/// The lines at the bottom of the screen and what they are drawn from.
struct Stage {
    board: Board,
    telling: Telling,
    palette: Palette,
    multi: MultiProgress,
    /// All that stays; `None` while somebody else writes.
    bar: Option<ProgressBar>,
    /// What scrolls above at the next drawing.
    above: Vec<String>,
    size: Box<dyn Fn() -> (usize, usize) + Send>,
    clock: Clock,
    frame: Duration,
    drawn: Option<Duration>,
    pulse: Pulse,
}

impl Stage {
    fn new(screen: Screen, verbosity: Verbosity) -> Self {
        Self {
            board: Board::default(),
            telling: Telling::new(verbosity, is_seen_below),
            palette: Palette::new(screen.colour),
            multi: MultiProgress::with_draw_target(screen.target),
            bar: None,
            above: Vec::new(),
            size: screen.size,
            clock: Clock::new(screen.clock),
            frame: screen.frame,
            drawn: None,
            pulse: Pulse::default(),
        }
    }

    fn hear(&mut self, event: &Event) {
        self.board.hear(event);
        self.clock.hear(event.at_ms);
        if let EventKind::RunStarted { hosts, .. } = &event.kind {
            self.pulse.begin(event.at_ms, self.telling.folds_of(hosts.len()));
        }
        let lines = self.telling.hear(event);
        self.tell(lines);
        if self.bar.is_none() {
            self.bar = Some(self.multi.add(ProgressBar::new(0)));
        }
    }

    fn tell(&mut self, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        let width = self.size().columns;
        for line in lines {
            let columns = if line.is_told_again { width } else { usize::MAX };
            let gap = if line.host.is_empty() { "" } else { "  " };
            let row = Row::default()
                .with(Tone::Heading, line.host)
                .with(Tone::Plain, gap)
                .with(line.tone, line.text);
            self.above.push(row.fitted(columns, self.palette));
        }
    }

    fn draw_if_due(&mut self) -> io::Result<()> {
        let now = self.clock.elapsed();
        if self.drawn.is_some_and(|drawn| now.saturating_sub(drawn) < self.frame) {
            return Ok(());
        }
        self.drawn = Some(now);
        if self.pulse.is_due(self.clock.now_ms()) {
            let lines = self.telling.folded();
            self.tell(lines);
        }
        self.draw()
    }

    fn draw(&mut self) -> io::Result<()> {
        let Some(bar) = &self.bar else { return Ok(()) };
        let size = self.size();
        let now_ms = self.clock.now_ms();
        let counts = self.board.counts();
        let done = format!("{}/{}  ", grouped(counts.ended()), grouped(self.board.total()));
        let mut rows = self.board.rows(now_ms, size, self.palette);
        let tally = self.board.tally(now_ms, size.columns.saturating_sub(done.len()), self.palette);
        let tally = format!("{done}{tally}");
        let has_room = BAR + console::measure_text_width(&tally) <= size.columns;
        rows.push(if has_room { String::new() } else { tally.clone() });
        let style = style(if has_room { "{msg}{bar:20} {prefix}" } else { "{msg}" });
        let shown = bar.clone().with_style(style).with_message(rows.join("\n")).with_prefix(tally);
        if !self.above.is_empty() {
            self.multi.println(std::mem::take(&mut self.above).join("\n"))?;
        }
        shown.update(|state| {
            state.set_len(self.board.total() as u64);
            state.set_pos(counts.ended() as u64);
        });
        Ok(())
    }

    fn size(&self) -> Size {
        let (rows, columns) = (self.size)();
        Size { rows: rows.max(1), columns: columns.max(1) }
    }

    /// Nothing is drawn until the next event.
    fn leave(&mut self) -> io::Result<()> {
        let lines = self.telling.folded();
        self.tell(lines);
        let Some(bar) = self.bar.take() else { return Ok(()) };
        if !self.above.is_empty() {
            self.multi.println(std::mem::take(&mut self.above).join("\n"))?;
        }
        bar.finish_and_clear();
        self.multi.clear()?;
        self.multi.remove(&bar);
        Ok(())
    }
}

/// What the lines at the bottom show while it happens isn't told again above them.
fn is_seen_below(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::RunStarted { .. }
            | EventKind::RunFinished { .. }
            | EventKind::GuardArmed { .. }
            | EventKind::ChangeFinished { .. }
            | EventKind::Applied { .. }
            | EventKind::CheckFinished { status: CheckStatus::Passed, .. }
    )
}

fn style(template: &str) -> ProgressStyle {
    // A template is a constant of this file; a wrong one shows as the default bar in every test of it.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn enter(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    // A drawing that panicked left text in a strange place and nothing worse.
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}
