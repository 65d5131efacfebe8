//! The stream of events: never blocks a host, and drops only what may be dropped.

use crate::record::{Entry, RunLog};
use snapback_core::event::{Event, EventKind, VERSION, Weight};
use snapback_core::host::HostName;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// How many unread events there may be before output lines are dropped: some seconds of a busy fleet.
const CROWDED: usize = 10_000;

/// Where the engine tells what happened. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    run: Arc<str>,
    sender: mpsc::UnboundedSender<Event>,
    unread: Arc<AtomicUsize>,
    log: Arc<Mutex<Option<RunLog>>>,
}

/// Where the subscribers read it.
#[derive(Debug)]
pub struct EventReceiver {
    receiver: mpsc::UnboundedReceiver<Event>,
    unread: Arc<AtomicUsize>,
}

/// Returns both ends of a run's stream.
#[must_use]
pub fn events(run: &str) -> (Events, EventReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let unread = Arc::new(AtomicUsize::new(0));
    let log = Arc::default();
    (Events { run: run.into(), sender, unread: unread.clone(), log }, EventReceiver { receiver, unread })
}

impl Events {
    /// Tells something of the run as a whole.
    pub fn run(&self, kind: EventKind) {
        self.send(None, kind);
    }

    /// Tells something of a host.
    pub fn host(&self, host: &HostName, kind: EventKind) {
        self.send(Some(host.clone()), kind);
    }

    /// Has everything that is told from here on written to a run's record.
    pub(crate) fn record_to(&self, log: RunLog) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = Some(log);
    }

    /// Takes the record away, so that it can be closed.
    pub(crate) fn take_record(&self) -> Option<RunLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes down what is about to be done, or was, and waits until it is on disk.
    ///
    /// # Errors
    /// When there is no record, or it can't be written.
    pub(crate) async fn record_durably(&self, entry: &Entry) -> io::Result<()> {
        let written = match &*self.log.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(log) => log.append_durably(entry)?,
            None => return Err(io::Error::other("there is no record")),
        };
        // Waited for by a thread, so that a test's clock stands still meanwhile.
        let written = tokio::task::spawn_blocking(move || written.blocking_recv()).await;
        written
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| io::Error::other("the writer of the record has failed"))
    }

    fn send(&self, host: Option<HostName>, kind: EventKind) {
        if kind.weight() == Weight::MayDrop && self.unread.load(Ordering::Relaxed) > CROWDED {
            return;
        }
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        let event = Event { v: VERSION, at_ms, run: self.run.to_string(), host, kind };
        if let Some(log) = &*self.log.lock().unwrap_or_else(PoisonError::into_inner) {
            log.append(&Entry::Event(event.clone()));
        }
        self.unread.fetch_add(1, Ordering::Relaxed);
        // Nobody listening is no reason to stop a host.
        let _ = self.sender.send(event);
    }
}

impl EventReceiver {
    /// Returns the next event; `None` when the run is over and everything was read.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.receiver.recv().await?;
        self.unread.fetch_sub(1, Ordering::Relaxed);
        Some(event)
    }
}
