//! Leases of simulated hosts.

use super::call::Call;
use super::truth::Truth;
use std::time::Duration;
use tokio::time::Instant;

/// A lease that a run holds.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    run: String,
    since: Instant,
    until: Instant,
}

impl Truth {
    pub(super) fn lease_elsewhere(&mut self, host: &str, run: &str, (age, left): (Duration, Duration)) {
        let now = Instant::now();
        let lease = Lease { run: run.to_owned(), since: now - age, until: now + left };
        self.leases.insert(host.to_owned(), lease);
    }

    /// Returns the run that holds a host's lease now.
    #[must_use]
    pub fn leased_by(&self, host: &str) -> Option<&str> {
        self.lease(host).map(|lease| lease.run.as_str())
    }

    fn lease(&self, host: &str) -> Option<&Lease> {
        self.leases.get(host).filter(|lease| lease.until > Instant::now())
    }

    /// What is told to a run that doesn't hold it.
    pub(super) fn tell_lease(&self, host: &str, run: &str) -> Option<String> {
        let lease = self.lease(host).filter(|lease| lease.run != run)?;
        let left = lease.until.duration_since(Instant::now()).as_secs();
        let age = lease.since.elapsed().as_secs();
        Some(format!("lease run={} left={left} age={age} owner=ann@desk branch=- url=- -- ", lease.run))
    }

    pub(super) fn take_lease(&mut self, host: &str, call: &Call) -> Vec<String> {
        if call.lease.is_zero() {
            return Vec::new();
        }
        if let Some(open) = self.tell_pending(host).filter(|_| !self.is_of(host, &call.run)) {
            return vec![open, "refused reason=locked -- another transaction is open".to_owned()];
        }
        if let Some(lease) = self.tell_lease(host, &call.run) {
            return vec![lease, "refused reason=leased -- another run is about to change it".to_owned()];
        }
        if !self.is_of(host, &call.run) {
            let now = Instant::now();
            let since = self.lease(host).map_or(now, |lease| lease.since);
            let lease = Lease { run: call.run.clone(), since, until: now + call.lease };
            self.leases.insert(host.to_owned(), lease);
            self.leases_taken += 1;
        }
        vec![format!("leased left={}", call.lease.as_secs())]
    }

    pub(super) fn end_lease(&mut self, host: &str, run: &str) -> Vec<String> {
        if self.leased_by(host) == Some(run) {
            self.leases.remove(host);
            vec!["unleased".to_owned()]
        } else {
            vec!["untouched -- it holds none".to_owned()]
        }
    }
}
