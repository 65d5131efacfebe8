//! Who is reached through whom, as far as the fleet file says so, and the user's ssh configuration where it was asked.

use crate::job::HostJob;
use std::collections::{BTreeMap, BTreeSet};

/// For each host of a run, the hosts of the run that it is reached through, directly or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JumpHosts(Vec<BTreeSet<usize>>);

impl JumpHosts {
    /// Works out who is reached through whom.
    #[must_use]
    pub fn of(jobs: &[HostJob]) -> Self {
        Self::with(jobs, &[])
    }

    /// Works out who is reached through whom; `added` is the `ProxyJump` of each host that isn't in the fleet file.
    #[must_use]
    pub fn with(jobs: &[HostJob], added: &[Option<String>]) -> Self {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, job) in jobs.iter().enumerate() {
            for name in names_of(job) {
                by_name.entry(name).or_default().push(at);
            }
        }
        let direct: Vec<BTreeSet<usize>> = jobs
            .iter()
            .enumerate()
            .map(|(at, job)| {
                let stated = job.ways.iter().filter_map(|way| way.proxy_jump.as_deref());
                let added = added.get(at).and_then(|jump| jump.as_deref());
                direct(stated.chain(added), &by_name)
            })
            .collect();
        Self((0..jobs.len()).map(|at| all_through(at, &direct)).collect())
    }

    /// Returns whether one of two hosts is reached through the other.
    #[must_use]
    pub fn are_apart(&self, a: usize, b: usize) -> bool {
        let through = |a: usize, b: usize| self.0.get(a).is_some_and(|hosts| hosts.contains(&b));
        a != b && (through(a, b) || through(b, a))
    }
}

/// Returns the jump hosts of a `ProxyJump` value, in order, by name alone: `user@host:port,ssh://host` and so on.
pub fn jumps_of(proxy_jump: &str) -> impl Iterator<Item = &str> {
    proxy_jump.split(',').map(str::trim).filter(|jump| !jump.is_empty() && *jump != "none").map(host_part)
}

/// The host of `[ssh://][user@]host[:port]`.
fn host_part(jump: &str) -> &str {
    let rest = jump.strip_prefix("ssh://").unwrap_or(jump);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split_once(']').map_or(bracketed, |(host, _)| host);
    }
    match host.split_once(':') {
        // More than one colon is an IPv6 address without a port.
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

/// Returns the names by which a `ProxyJump` may mean a host.
pub fn names_of(job: &HostJob) -> impl Iterator<Item = &str> {
    let addresses = job.ways.iter().filter_map(|way| way.address.as_deref());
    addresses.chain([job.host.as_str(), host_part(job.host.as_str())])
}

fn direct<'a>(jumps: impl Iterator<Item = &'a str>, by_name: &BTreeMap<&str, Vec<usize>>) -> BTreeSet<usize> {
    let jumps = jumps.flat_map(jumps_of);
    jumps.filter_map(|jump| by_name.get(jump)).flatten().copied().collect()
}

fn all_through(from: usize, direct: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(at) = todo.pop() {
        todo.extend(direct[at].iter().copied().filter(|host| found.insert(*host)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::ConfirmPolicy;
    use crate::host::HostName;
    use crate::way::{Become, KnownHosts, Way, WayKind};
    use std::time::Duration;

    fn job(name: &str, address: Option<&str>, proxy_jump: Option<&str>) -> HostJob {
        let host = HostName::parse(name).unwrap();
        let second = Duration::from_secs(1);
        let way = Way {
            kind: WayKind::Final,
            host: host.clone(),
            address: address.map(str::to_owned),
            port: None,
            user: None,
            identity_file: None,
            proxy_jump: proxy_jump.map(str::to_owned),
            ssh_config: None,
            known_hosts: KnownHosts::Strict,
            connect_timeout: second,
            host_key: None,
            family: None,
        };
        HostJob {
            local: Vec::new(),
            host,
            ways: vec![way],
            r#become: Become::Auto,
            changes: Vec::new(),
            checks: Vec::new(),
            confirm: ConfirmPolicy {
                window: second,
                apply_timeout: second,
                hard_cap: second,
                settle: second,
                reorder_kex: true,
            },
            proof: Default::default(),
            vars: BTreeMap::new(),
            keep: 5,
            protected: false,
            last_resort: Default::default(),
        }
    }

    #[test]
    fn a_jump_host_is_found_by_name_and_address_and_through_another() {
        let jobs = [
            job("bastion", Some("10.0.0.1"), None),
            job("inner", None, Some("root@bastion:2222")),
            job("app", None, Some("inner")),
            job("db", None, Some("ssh://u@10.0.0.1:22,elsewhere")),
            job("alone", None, None),
        ];
        let jumps = JumpHosts::of(&jobs);
        let apart: Vec<_> = (0..5).map(|b| jumps.are_apart(2, b)).collect();
        assert_eq!(apart, [true, true, false, false, false], "app is behind inner, which is behind bastion");
        assert!(jumps.are_apart(0, 3) && jumps.are_apart(3, 0) && !jumps.are_apart(3, 1));
        assert!((0..5).all(|b| !jumps.are_apart(4, b)));
    }

    #[test]
    fn what_the_fleet_file_does_not_say_can_be_added() {
        let jobs = [job("bastion", None, None), job("app", None, None), job("db", None, None)];
        let jumps = JumpHosts::with(&jobs, &[None, Some("u@bastion".to_owned()), None]);
        assert!(jumps.are_apart(0, 1) && !jumps.are_apart(0, 2) && !jumps.are_apart(1, 2));
    }

    #[test]
    fn the_host_of_a_jump_is_told_from_user_and_port() {
        let hosts: Vec<_> = jumps_of("a, u@b:22,ssh://c:1,[fe80::1]:22,u@fe80::2,none").collect();
        assert_eq!(hosts, ["a", "b", "c", "fe80::1", "fe80::2"]);
    }
}
