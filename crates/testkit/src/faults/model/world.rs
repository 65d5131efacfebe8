//! All hosts of a case, and the faults that are left to strike their lines.

use super::fault::LineFault;
use super::host::Host;
use super::transaction::Behaviour;
use crate::faults::Case;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The hosts. Clones share everything.
#[derive(Clone, Debug)]
pub struct World {
    shared: Arc<Mutex<Inside>>,
}

/// A target that breaks its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing is undone by itself.
    NoGuard,
    /// A confirmation is answered, and not decided.
    HollowConfirm,
}

#[derive(Debug)]
pub(super) struct Inside {
    pub(super) hosts: BTreeMap<String, Host>,
    pub(super) case: Case,
    rng: Rng,
    line_faults: u32,
    /// One call in so many is struck, as long as there are faults left.
    rarity: u32,
    connections: u64,
}

impl World {
    /// Makes hosts with these names, and draws so many faults for their lines, and how often they strike.
    #[must_use]
    pub fn new(rng: &mut Rng, names: &[&str], line_faults: u32) -> Self {
        let hosts = names.iter().map(|name| {
            let faults = rng.u32(0..3);
            ((*name).to_owned(), Host::new(name, rng.u32(0..4) > 0, Behaviour::draw(rng, faults)))
        });
        let hosts = hosts.collect();
        let inside = Inside {
            hosts,
            case: Case::default(),
            rarity: rng.u32(1..6),
            rng: rng.fork(),
            line_faults,
            connections: 0,
        };
        Self { shared: Arc::new(Mutex::new(inside)) }
    }

    /// Breaks a promise of all targets on purpose, as a test of the test.
    pub fn sabotage(&self, sabotage: Sabotage) {
        for host in self.lock().hosts.values_mut() {
            host.sabotage = Some(sabotage);
        }
    }

    /// Lets no more faults strike: not the lines, and not the transactions that come.
    pub fn calm(&self) {
        let mut inside = self.lock();
        inside.line_faults = 0;
        for host in inside.hosts.values_mut() {
            host.behaviour = Behaviour::calm();
        }
    }

    /// Lets happen what was due until now, and returns what a host is then.
    ///
    /// # Panics
    /// When there is no such host.
    #[must_use]
    pub fn host(&self, name: &str) -> Host {
        self.with(name, |host, _| host.clone())
    }

    /// Notes something in the case.
    pub fn note(&self, what: impl FnOnce(&mut Case)) {
        what(&mut self.lock().case);
    }

    /// Takes what was noted so far.
    #[must_use]
    pub fn take_case(&self) -> Case {
        std::mem::take(&mut self.lock().case)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inside> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a host, as it is now.
    pub(super) fn with<T>(&self, name: &str, act: impl FnOnce(&mut Host, &mut Case) -> T) -> T {
        let inside = &mut *self.lock();
        let host = inside.hosts.get_mut(name).expect("a host of this world");
        host.advance(&mut inside.case);
        act(host, &mut inside.case)
    }

    /// Numbers a connection.
    pub(super) fn connection(&self) -> u64 {
        let mut inside = self.lock();
        inside.connections += 1;
        inside.connections
    }

    /// Draws whether a call is struck, and by what; counts it.
    pub(super) fn draw_fault(&self, name: &str) -> Option<LineFault> {
        let state = self.with(name, |host, _| host.struck_in());
        let inside = &mut *self.lock();
        // Before anything is armed there is little to break: most faults are kept for what follows.
        let rarity = if state == "before arming" { 8 * inside.rarity } else { inside.rarity };
        if inside.line_faults == 0 || inside.rng.u32(0..rarity) > 0 {
            return None;
        }
        inside.line_faults -= 1;
        let fault = LineFault::draw(&mut inside.rng);
        inside.case.strike(state, fault.name());
        Some(fault)
    }

    /// Draws a yes or no.
    pub(super) fn draw_bool(&self) -> bool {
        self.lock().rng.bool()
    }

    /// Waits until something happens on a host, at most a second.
    pub(super) async fn wait(&self, name: &str) {
        let next = self.with(name, |host, _| host.next_event());
        let latest = Instant::now() + Duration::from_secs(1);
        let soonest = Instant::now() + Duration::from_millis(10);
        tokio::time::sleep_until(next.map_or(latest, |at| at.clamp(soonest, latest))).await;
    }
}
