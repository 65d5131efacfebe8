//! The time of a run's events, carried on while none comes.

use std::time::{Duration, Instant};

/// Knows what time it is by the clock of the events: a countdown can use no other.
pub(crate) struct Clock {
    since_somewhen: Box<dyn Fn() -> Duration + Send>,
    /// When the latest event was, by its own clock and by this one.
    heard: Option<(u64, Duration)>,
}

impl Clock {
    /// Returns a clock that moves as the given one does, whatever its beginning.
    pub(crate) fn new(since_somewhen: Box<dyn Fn() -> Duration + Send>) -> Self {
        Self { since_somewhen, heard: None }
    }

    /// Returns a clock that moves as time does.
    pub(crate) fn real() -> Self {
        let began = Instant::now();
        Self::new(Box::new(move || began.elapsed()))
    }

    /// Hears that an event was at this time, in milliseconds since the Unix epoch.
    pub(crate) fn hear(&mut self, at_ms: u64) {
        self.heard = Some((at_ms, self.elapsed()));
    }

    /// Returns the time, in milliseconds since the Unix epoch; 0 before the first event.
    pub(crate) fn now_ms(&self) -> u64 {
        let since = |heard| u64::try_from(self.elapsed().saturating_sub(heard).as_millis()).unwrap_or(0);
        self.heard.map_or(0, |(at_ms, heard)| at_ms.saturating_add(since(heard)))
    }

    /// Returns the time since a moment of its own choice.
    pub(crate) fn elapsed(&self) -> Duration {
        (self.since_somewhen)()
    }
}
