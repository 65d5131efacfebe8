//! Hosts that one case after another is played on.

use crate::e2e_stage::Stage;
use snapback_testkit::lab::{HostKind, LabHost};
use std::sync::{Condvar, Mutex};
use std::thread;

/// The hosts, those in use left out.
pub(crate) struct Pool {
    pub(crate) stage: Stage,
    free: Mutex<Vec<LabHost>>,
    given_back: Condvar,
    size: usize,
}

/// Megabytes of each host's disk for the state, so that it can be filled; of every third one it is a quota.
const STATE_DISK: u32 = 16;

impl Pool {
    pub(crate) fn boot(plain: usize, systemd: usize) -> Self {
        let stage = Stage::new("faults");
        let kinds = (0..plain).map(|_| HostKind::Plain).chain((0..systemd).map(|_| HostKind::Systemd));
        let free = thread::scope(|scope| {
            let booting: Vec<_> = kinds
                .enumerate()
                .map(|(n, kind)| {
                    let plan = stage.lab.host(&format!("h{n}")).kind(kind);
                    let plan = if n % 3 == 1 {
                        plan.state_quota(STATE_DISK)
                    } else {
                        plan.small_state_disk(STATE_DISK)
                    };
                    // One after another takes its number; they boot beside each other.
                    scope.spawn(move || plan.boot().unwrap())
                })
                .collect();
            booting.into_iter().map(|host| host.join().unwrap()).collect::<Vec<_>>()
        });
        Self { stage, size: free.len(), free: Mutex::new(free), given_back: Condvar::new() }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Takes a host of a kind, when one is free.
    pub(crate) fn take(&self, kind: HostKind) -> LabHost {
        let mut free = self.free.lock().unwrap();
        loop {
            if let Some(n) = free.iter().position(|host| host.kind() == kind) {
                return free.remove(n);
            }
            free = self.given_back.wait(free).unwrap();
        }
    }

    pub(crate) fn give_back(&self, host: LabHost) {
        self.free.lock().unwrap().push(host);
        self.given_back.notify_all();
    }
}
