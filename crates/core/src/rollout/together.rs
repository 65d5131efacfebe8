//! How long hosts stay armed that are confirmed together: they wait for the slowest of their batch.

use super::jump::jumps_of;
use crate::deadline::CONFIRM_MARGIN;
use crate::job::HostJob;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many handshakes at a time go through one jump host: sshd begins to drop them at 10 (`MaxStartups`).
pub const THROUGH_ONE_JUMP_HOST: usize = 8;

/// What is left of each window, at least, when the first host of a batch is confirmed.
pub const LEAST_LEFT: Duration = Duration::from_secs(60);

/// The times of a batch whose hosts are confirmed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Together {
    /// From the first host that begins to the last, all handshakes taking as long as they may.
    pub begin: Duration,
    /// The longest that one of them may take to pass: apply and window.
    pub pass: Duration,
    /// Extending all windows, with one more try for each.
    pub extend: Duration,
    /// What is left of each window then: [`LEAST_LEFT`], and more where so many can't be confirmed within that.
    pub confirm: Duration,
}

impl Together {
    /// Works the times out for the hosts of a batch, so many handshakes at a time. What is sent to a host before it is
    /// armed isn't known here and isn't counted.
    #[must_use]
    pub fn of(jobs: &[&HostJob], connect_parallel: usize) -> Self {
        let handshake = jobs
            .iter()
            .filter_map(|job| job.final_way())
            .map(|way| way.connect_timeout)
            .max()
            .unwrap_or_default();
        let begins = rounds(jobs, connect_parallel, |slots| slots - kept_for_decisions(slots).min(slots));
        let rounds = rounds(jobs, connect_parallel, |slots| slots);
        let pass = jobs.iter().map(|job| job.confirm.apply_timeout + job.confirm.window).max();
        Self {
            begin: handshake * begins,
            pass: pass.unwrap_or_default(),
            extend: handshake * (rounds + 1),
            confirm: LEAST_LEFT.max(handshake * (rounds + 1) + CONFIRM_MARGIN),
        }
    }

    /// Returns what a window is extended to: so that enough is left when the last of them has been.
    #[must_use]
    pub fn reserve(&self) -> Duration {
        self.extend + self.confirm
    }

    /// Returns the longest that a host may stay armed.
    #[must_use]
    pub fn armed_at_most(&self) -> Duration {
        self.begin + self.pass + self.reserve()
    }
}

/// How many of so many slots for handshakes beginnings leave to decisions.
#[must_use]
pub fn kept_for_decisions(slots: usize) -> usize {
    (slots / 4).max(1)
}

/// How many handshakes one after another it takes to reach all, with that many of the slots.
fn rounds(jobs: &[&HostJob], connect_parallel: usize, usable: impl Fn(usize) -> usize) -> u32 {
    let mut through: BTreeMap<&str, usize> = BTreeMap::new();
    for job in jobs {
        let jump = job.final_way().and_then(|way| jumps_of(way.proxy_jump.as_deref()?).next());
        if let Some(jump) = jump {
            *through.entry(jump).or_default() += 1;
        }
    }
    let narrow = through.into_values().map(|hosts| rounds_of(hosts, usable(THROUGH_ONE_JUMP_HOST)));
    narrow.chain([rounds_of(jobs.len(), usable(connect_parallel))]).max().unwrap_or_default()
}

fn rounds_of(hosts: usize, at_once: usize) -> u32 {
    u32::try_from(hosts.div_ceil(at_once.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::ConfirmPolicy;
    use crate::host::HostName;
    use crate::way::{Become, KnownHosts, Way, WayKind};

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn job(window: u64, jump: Option<&str>) -> HostJob {
        let host = HostName::parse("h").unwrap();
        let way = Way {
            kind: WayKind::Final,
            host: host.clone(),
            address: None,
            port: None,
            user: None,
            identity_file: None,
            proxy_jump: jump.map(str::to_owned),
            ssh_config: None,
            known_hosts: KnownHosts::Strict,
            connect_timeout: secs(10),
            host_key: None,
            family: None,
        };
        HostJob {
            host,
            ways: vec![way],
            r#become: Become::Auto,
            local: Vec::new(),
            changes: Vec::new(),
            checks: Vec::new(),
            confirm: ConfirmPolicy {
                window: secs(window),
                apply_timeout: secs(300),
                hard_cap: secs(900),
                settle: secs(3),
                reorder_kex: true,
            },
            last_resort: Default::default(),
            proof: Default::default(),
            vars: BTreeMap::new(),
            keep: 1,
            protected: false,
        }
    }

    #[test]
    fn a_host_waits_for_the_slowest_and_for_all_to_be_extended() {
        let (fast, slow) = (job(60, None), job(90, None));
        let times = Together::of(&[&fast, &slow, &fast], 20);
        let wanted = Together { begin: secs(10), pass: secs(390), extend: secs(20), confirm: secs(60) };
        assert_eq!(times, wanted);
        assert_eq!((times.reserve(), times.armed_at_most()), (secs(80), secs(480)));
    }

    #[test]
    fn many_hosts_take_many_rounds_and_fewer_fit_through_a_jump_host() {
        let direct = job(60, None);
        let times = Together::of(&vec![&direct; 100], 20);
        assert_eq!((times.begin, times.extend, times.confirm), (secs(70), secs(60), secs(80)));
        let behind = job(60, Some("me@bastion:22"));
        let times = Together::of(&vec![&behind; 40], 20);
        assert_eq!((times.begin, times.extend, times.confirm), (secs(70), secs(60), secs(80)));
        assert_eq!(Together::of(&[&direct], 1).begin, secs(10), "one slot is one");
    }
}
