//! Who watches a run of the demo: the plain lines, the summary, and a memory of what was seen.

use futures::FutureExt;
use snapback_core::event::{Event, EventKind};
use snapback_core::outcome::HostResult;
use snapback_engine::EventReceiver;
use snapback_render::{FanOut, Lines, Summary, Verbosity};
use std::future::Future;
use std::io;

/// Shows a run on standard output and remembers it.
pub(crate) struct Audience {
    receiver: EventReceiver,
    faces: FanOut,
    seen: Vec<Event>,
}

impl Audience {
    pub(crate) fn new(receiver: EventReceiver, verbosity: Verbosity) -> Self {
        let mut faces = FanOut::new(Box::new(io::stderr()));
        faces.add("lines", Box::new(Lines::new(Box::new(io::stdout()), verbosity)));
        faces.add("summary", Box::new(Summary::new(Box::new(io::stdout()), false)));
        Self { receiver, faces, seen: Vec::new() }
    }

    /// Shows what is told while some work is done; all of it has been shown when this returns.
    pub(crate) async fn attend<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                Some(event) = self.receiver.next() => self.hear(event),
                done = &mut work => break done,
            }
        };
        while let Some(Some(event)) = self.receiver.next().now_or_never() {
            self.hear(event);
        }
        done
    }

    /// Ends the showing and returns the memory.
    pub(crate) fn leave(mut self) -> Memory {
        self.faces.finish();
        Memory(self.seen)
    }

    fn hear(&mut self, event: Event) {
        self.faces.tell(&event);
        self.seen.push(event);
    }
}

/// Everything that was told of a run.
pub(crate) struct Memory(Vec<Event>);

impl Memory {
    /// Returns how a host ended.
    pub(crate) fn result(&self, host: &str) -> Option<HostResult> {
        self.of(host).find_map(|event| match event.kind {
            EventKind::HostFinished { result, .. } => Some(result),
            _ => None,
        })
    }

    /// Returns whether a fresh connection to a host was tried and failed.
    pub(crate) fn was_locked_out(&self, host: &str) -> bool {
        self.of(host).any(|event| matches!(event.kind, EventKind::ConfirmFailed { .. }))
    }

    /// Returns how long a host was changed until its end was told, in milliseconds.
    pub(crate) fn changed_for(&self, host: &str) -> Option<u64> {
        let at = |wanted: fn(&EventKind) -> bool| {
            self.of(host).find(|event| wanted(&event.kind)).map(|event| event.at_ms)
        };
        let applied = at(|kind| matches!(kind, EventKind::Applied { .. }))?;
        let finished = at(|kind| matches!(kind, EventKind::HostFinished { .. }))?;
        finished.checked_sub(applied)
    }

    fn of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Event> {
        self.0.iter().filter(move |event| event.host.as_ref().is_some_and(|name| name.as_str() == host))
    }
}
