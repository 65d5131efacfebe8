//! Asking a person whether what is ready may stay: who waits, and when the question is put.

use futures::FutureExt;
use futures::future::BoxFuture;
use snapback_core::host::HostName;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// Puts a question to a person. The engine asks nobody by itself.
pub trait Person: Send + Sync {
    /// Asks about hosts whose checks have passed. Who gets no answer until this returns will not get one: its guard
    /// decides, unless it is confirmed from elsewhere.
    fn ask(&self, waiting: Vec<Waiting>) -> BoxFuture<'_, ()>;

    /// Says that a host waits with required checks that are red: it is kept only by a confirmation from elsewhere that
    /// names them.
    fn tell_red(&self, _host: HostName, _red: Vec<String>, _left: Duration) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// A host that waits for a person's word.
#[derive(Debug)]
pub struct Waiting {
    /// The host.
    pub host: HostName,
    deadline: watch::Receiver<Instant>,
    answer: oneshot::Sender<bool>,
}

impl Waiting {
    /// Returns whether an answer still matters: not once the host was decided about by other means.
    #[must_use]
    pub fn still_waits(&self) -> bool {
        !self.answer.is_closed()
    }

    /// Returns how long it is until the guard undoes; extensions count as they come.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.borrow().saturating_duration_since(Instant::now())
    }

    /// Gives the answer: yes keeps the change, no undoes it at once.
    pub fn say(self, yes: bool) {
        // An error means that the host has been decided about meanwhile.
        let _ = self.answer.send(yes);
    }
}

/// Where hosts wait, so that one question is put for all that are at work at the same time.
pub(crate) struct Desk {
    person: Arc<dyn Person>,
    room: Mutex<Room>,
}

#[derive(Default)]
struct Room {
    /// Hosts that may still come to wait.
    working: usize,
    waiting: Vec<Waiting>,
    asking: bool,
    /// Somebody has waited long enough.
    pressing: bool,
}

/// A host's place at the desk; dropping it says that nobody need wait for it.
pub(crate) struct Seat {
    desk: Arc<Desk>,
}

impl Desk {
    pub(crate) fn new(person: Arc<dyn Person>) -> Arc<Self> {
        Arc::new(Self { person, room: Mutex::default() })
    }

    /// Says what is red on a host, and waits for nothing.
    pub(crate) fn red(self: &Arc<Self>, host: &HostName, red: Vec<String>, left: Duration) {
        let (desk, host) = (Arc::clone(self), host.clone());
        tokio::spawn(async move { desk.person.tell_red(host, red, left).await });
    }

    pub(crate) fn enter(self: &Arc<Self>) -> Seat {
        self.room().working += 1;
        Seat { desk: Arc::clone(self) }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the question if everybody who could join it has, or somebody can't wait for the others.
    fn put(self: Arc<Self>) {
        // A run that is being dropped asks nobody any more.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let waiting = {
            let mut room = self.room();
            room.waiting.retain(Waiting::still_waits);
            if room.asking || room.waiting.is_empty() || (room.working > 0 && !room.pressing) {
                return;
            }
            room.asking = true;
            room.pressing = false;
            let mut waiting = std::mem::take(&mut room.waiting);
            waiting.sort_by(|a, b| a.host.cmp(&b.host));
            waiting
        };
        runtime.spawn(async move {
            self.person.ask(waiting).await;
            self.room().asking = false;
            self.put();
        });
    }
}

impl Seat {
    /// Waits for an answer. The others at work are waited for, but for no longer than half of the time that is left.
    pub(crate) fn wait(self, host: &HostName, deadline: watch::Receiver<Instant>) -> oneshot::Receiver<bool> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { host: host.clone(), deadline, answer };
        let patience = waiting.left() / 2;
        let desk = Arc::clone(&self.desk);
        desk.room().waiting.push(waiting);
        drop(self);
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            let still_there = !desk.room().waiting.is_empty();
            desk.room().pressing |= still_there;
            desk.put();
        });
        answered
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk.room().working -= 1;
        Arc::clone(&self.desk).put();
    }
}
