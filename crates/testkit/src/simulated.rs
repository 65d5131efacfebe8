//! A [`Connector`] onto a whole fleet that isn't there: each host has a fate, and follows the agent's protocol as far
//! as a run needs it. Waiting is done with tokio's clock, so that with a paused one hours pass in a moment.
//!
//! Unlike [`crate::scripted`] it knows the truth: which change is in place on which host, who was begun in which order,
//! how many connections were open at once. A test compares that with what the engine says.

mod call;
mod host;
mod lease;
mod truth;

pub use host::Fate;
pub use truth::{HARD_CAP, Truth, Value};

use call::Call;
use futures::FutureExt;
use futures::future::BoxFuture;
use host::{Mood, Reaction, react};
use snapback_core::way::Way;
use snapback_transport::{
    ConnectError, ConnectErrorKind, Connector, Exit, Invocation, Line, LineSender, RunError, Session,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use truth::Deed;

/// How often a host looks whether something is to be told to whoever follows it.
const FOLLOWS_EVERY: Duration = Duration::from_millis(500);

/// How long a handshake takes with a host that answers.
const HANDSHAKE: Duration = Duration::from_millis(200);

/// The connector. Clones share the world.
#[derive(Clone, Debug)]
pub struct Simulated {
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    fates: BTreeMap<String, Fate>,
    /// What becomes of a host that is undone after it was confirmed; the others can be.
    undo_fates: BTreeMap<String, Fate>,
    /// From the end of apply until a host undoes itself.
    window: Duration,
    truth: Mutex<Truth>,
}

impl Simulated {
    /// Returns a fleet in which each host has its fate and undoes itself after `window`.
    #[must_use]
    pub fn new(fates: impl IntoIterator<Item = (String, Fate)>, window: Duration) -> Self {
        Self::with_undo(fates, [], window)
    }

    /// The same, with what becomes of hosts that are undone after they were confirmed.
    #[must_use]
    pub fn with_undo(
        fates: impl IntoIterator<Item = (String, Fate)>,
        undo_fates: impl IntoIterator<Item = (String, Fate)>,
        window: Duration,
    ) -> Self {
        let (fates, undo_fates) = (fates.into_iter().collect(), undo_fates.into_iter().collect());
        Self { world: Arc::new(World { fates, undo_fates, window, truth: Mutex::default() }) }
    }

    /// Somebody else's run holds a host's lease, taken so long ago and for so long from now on.
    pub fn lease_elsewhere(&self, host: &str, run: &str, (age, left): (Duration, Duration)) {
        self.world.truth().lease_elsewhere(host, run, (age, left));
    }

    /// Returns what has really happened so far.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.look(Clone::clone)
    }

    /// Looks at what has really happened so far.
    pub fn look<T>(&self, look: impl FnOnce(&Truth) -> T) -> T {
        look(&self.world.truth())
    }
}

impl World {
    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, host: &str) -> Fate {
        self.fates.get(host).copied().unwrap_or(Fate::Unreachable)
    }

    /// What becomes of it now: once its change is confirmed, that can only be undone.
    fn fate_now(&self, host: &str) -> Fate {
        if self.truth().is_past_its_change(host) {
            self.undo_fates.get(host).copied().unwrap_or(Fate::Works(100))
        } else {
            self.fate(host)
        }
    }

    /// A handshake, with whoever is there or isn't.
    async fn shake_hands(&self, way: &Way) -> Result<(), ConnectError> {
        let _counted = Counted::new(self);
        let host = way.host.as_str();
        self.truth().pass_time(host);
        if self.fate_now(host) == Fate::Unreachable || self.truth().is_cut_off(host) {
            tokio::time::sleep(way.connect_timeout).await;
            return Err(ConnectError {
                kind: ConnectErrorKind::Timeout,
                message: format!("{host} did not answer"),
                hint: String::new(),
                transcript: String::new(),
                after: way.connect_timeout,
            });
        }
        tokio::time::sleep(HANDSHAKE).await;
        Ok(())
    }

    /// Says what the host says, at its times. Returns whether the line held.
    async fn answer(&self, way: &Way, invocation: &Invocation, lines: &LineSender) -> bool {
        let host = way.host.as_str();
        let (command, call) = (invocation.command.as_str(), Call::of(invocation));
        self.truth().calls += 1;
        let is_nonce = |word: &&str| word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let nonce = command.split(' ').find(is_nonce).unwrap_or_default();
        let (fate, now) = (self.fate(host), self.fate_now(host));
        let is_new = self.truth().value(host) == Value::New;
        let is_red = match fate {
            Fate::Spoils(secs) => self.truth().is_confirmed_since(host, Duration::from_secs(secs)),
            _ => false,
        };
        for reaction in react(Mood { fate, now, is_new, is_red }, command) {
            match reaction {
                Reaction::Wait(time) => tokio::time::sleep(time).await,
                Reaction::Say(text) => {
                    let line = format!("@snapback:{nonce} {text}");
                    drop(lines.send(Line::Out(line.into_bytes())).await);
                }
                Reaction::Do(deed) => {
                    if !self.say(way, (nonce, &call), deed, lines).await {
                        return true;
                    }
                }
                Reaction::Follow => {
                    while !self.truth().is_decided(host) {
                        tokio::time::sleep(FOLLOWS_EVERY).await;
                    }
                    self.say(way, (nonce, &call), Deed::TellJournal, lines).await;
                }
                Reaction::Cut => return false,
            }
        }
        true
    }
}

impl World {
    /// Does something, and says what there is to say to it. Returns whether there is more: a refusal is the end.
    async fn say(&self, way: &Way, (nonce, call): (&str, &Call), deed: Deed, lines: &LineSender) -> bool {
        let said = self.truth().perform(way.host.as_str(), deed, (self.window, call));
        let is_over = said.iter().any(|line| line.starts_with("refused "));
        for text in said.into_iter().chain(is_over.then(|| "end".to_owned())) {
            let line = format!("@snapback:{nonce} {text}");
            drop(lines.send(Line::Out(line.into_bytes())).await);
        }
        !is_over
    }
}

/// A handshake that is being made.
struct Counted<'w>(&'w World);

impl<'w> Counted<'w> {
    fn new(world: &'w World) -> Self {
        let mut truth = world.truth();
        truth.handshakes += 1;
        truth.handshakes_made += 1;
        truth.most_handshakes = truth.most_handshakes.max(truth.handshakes);
        drop(truth);
        Self(world)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.truth().handshakes -= 1;
    }
}

impl Connector for Simulated {
    fn open<'a>(&'a self, way: &'a Way) -> BoxFuture<'a, Result<Box<dyn Session>, ConnectError>> {
        async move {
            self.world.shake_hands(way).await?;
            self.world.truth().count_session();
            Ok(Box::new(Open { world: Arc::clone(&self.world), way: way.clone() }) as Box<dyn Session>)
        }
        .boxed()
    }

    fn once<'a>(
        &'a self,
        way: &'a Way,
        _cheap_kex: bool,
        invocation: Invocation,
        lines: LineSender,
    ) -> BoxFuture<'a, Result<Exit, ConnectError>> {
        async move {
            self.world.shake_hands(way).await?;
            self.world.answer(way, &invocation, &lines).await;
            Ok(Exit { code: Some(0) })
        }
        .boxed()
    }
}

struct Open {
    world: Arc<World>,
    way: Way,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.world.truth().open -= 1;
    }
}

impl Session for Open {
    fn run(&self, invocation: Invocation, lines: LineSender) -> BoxFuture<'_, Result<Exit, RunError>> {
        async move {
            if self.world.answer(&self.way, &invocation, &lines).await {
                Ok(Exit { code: Some(0) })
            } else {
                Err(RunError::Lost)
            }
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}
