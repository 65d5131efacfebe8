//! What holds for each host: defaults, then groups in file order, then the range, then the exact name.

use super::range;
use super::select::{Candidate, Chooser};
use crate::file::{Document, HostKeys, RawHost, twice};
use crate::place::{At, Place};
use crate::problem::{Problem, Report};
use snapback_core::host::HostName;
use snapback_core::way::{Way, WayKind};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one attempt to connect may take, if nothing else is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A host with all that holds for it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Its name.
    pub(crate) name: HostName,
    /// The merged keys.
    pub(crate) keys: HostKeys,
    /// The groups that it is in.
    pub(crate) groups: Vec<String>,
}

impl Host {
    /// Returns how long one attempt to connect may take.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.keys.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
    }

    /// Returns what the host is connected to: `address`, or the name without a user before it.
    pub(crate) fn address(&self) -> &str {
        let name = self.name.as_str();
        let bare = name.rsplit_once('@').map_or(name, |(_, host)| host);
        self.keys.address.as_deref().unwrap_or(bare)
    }

    /// Returns the ways in: the final one, and the one of old where it differs.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let keys = &self.keys;
        let last = Way {
            kind: WayKind::Final,
            host: self.name.clone(),
            address: keys.address.clone(),
            port: keys.port,
            user: keys.user.clone(),
            identity_file: keys.identity_file.clone(),
            proxy_jump: keys.proxy_jump.clone(),
            ssh_config: keys.ssh_config.clone(),
            known_hosts: keys.known_hosts.unwrap_or_default(),
            connect_timeout: self.connect_timeout(),
            host_key: keys.host_key.clone(),
            family: None,
        };
        let was = keys.was.clone();
        let old = Way {
            address: was.address.or_else(|| last.address.clone()),
            port: was.port.or(last.port),
            user: was.user.or_else(|| last.user.clone()),
            identity_file: was.identity_file.or_else(|| last.identity_file.clone()),
            proxy_jump: was.proxy_jump.or_else(|| last.proxy_jump.clone()),
            // Not the final one: a key that is announced is one that the host doesn't show yet.
            host_key: was.host_key,
            ..last.clone()
        };
        if old == last { vec![last] } else { vec![last, Way { kind: WayKind::Was, ..old }] }
    }

    /// Returns what selectors ask.
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate { name: self.name.to_string(), tags: self.keys.tags.clone(), groups: self.groups.clone() }
    }
}

/// Returns the hosts in file order; a host stands where it is first named.
pub(crate) fn resolve(document: &Document, report: &Report) -> Vec<Host> {
    let named = name_all(&document.hosts, report);
    let groups = memberships(document, &named, report);
    let defaults = document.defaults.as_ref().map(|d| d.value.clone()).unwrap_or_default();
    let host = |(at, named): (usize, Named<'_>)| {
        let mut keys = defaults.clone();
        let member = document.groups.iter().filter(|group| groups[at].contains(&group.name.value));
        member.for_each(|group| keys.overlay(&group.keys));
        named.own_keys().for_each(|own| keys.overlay(own));
        Host { name: named.name, keys, groups: groups[at].clone() }
    };
    named.into_iter().enumerate().map(host).collect()
}

/// A host by name, and the entries that speak of it.
struct Named<'a> {
    name: HostName,
    range: Option<&'a RawHost>,
    exact: Option<&'a RawHost>,
}

impl<'a> Named<'a> {
    /// Returns what is said of this host by name, the nearest last.
    fn own_keys(&self) -> impl Iterator<Item = &'a HostKeys> {
        self.range.iter().chain(self.exact.iter()).map(|raw| &raw.keys).collect::<Vec<_>>().into_iter()
    }
}

fn name_all<'a>(raw: &'a [RawHost], report: &Report) -> Vec<Named<'a>> {
    let mut hosts: Vec<Named<'a>> = Vec::new();
    let mut known: BTreeMap<HostName, usize> = BTreeMap::new();
    for entry in raw {
        for name in names(&entry.pattern, report) {
            let at = *known.entry(name.clone()).or_insert(hosts.len());
            if at == hosts.len() {
                hosts.push(Named { name: name.clone(), range: None, exact: None });
            }
            let is_range = range::has_range(&entry.pattern.value);
            let slot = if is_range { &mut hosts[at].range } else { &mut hosts[at].exact };
            match slot {
                Some(first) => {
                    report.add(twice(&format!("`{name}`"), &first.pattern.place, &entry.pattern.place))
                }
                None => *slot = Some(entry),
            }
        }
    }
    hosts
}

fn names(pattern: &At<String>, report: &Report) -> Vec<HostName> {
    let complain = |why: String, hint: Option<String>| {
        report.add(Problem::at(&pattern.place, why).maybe_hint(hint));
    };
    let texts = match range::expand(&pattern.value) {
        Ok(texts) => texts,
        Err(why) => {
            complain(format!("{:?} is no host name: {why}", pattern.value), None);
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for text in texts {
        match HostName::parse(&text) {
            Ok(name) => names.push(name),
            Err(why) => {
                let hint = text.contains(['*', '?']).then(|| {
                    "a glob selects hosts in `on`; here each is named, or counted: [hosts.\"app[01-03]\"]"
                        .to_owned()
                });
                complain(why.to_string(), hint);
                break;
            }
        }
    }
    names
}

/// Returns the groups of each host. A group sees the tags and groups that come before it in the file.
fn memberships(document: &Document, hosts: &[Named<'_>], report: &Report) -> Vec<Vec<String>> {
    let default_tags = document.defaults.iter().flat_map(|d| &d.value.tags);
    let mut candidates: Vec<Candidate> = hosts
        .iter()
        .map(|host| Candidate {
            name: host.name.to_string(),
            tags: default_tags.clone().chain(host.own_keys().flat_map(|keys| &keys.tags)).cloned().collect(),
            groups: Vec::new(),
        })
        .collect();
    let mut before: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut groups: Vec<String> = Vec::new();
    for group in &document.groups {
        if let Some(first) = before.insert(&group.name.value, &group.name.place) {
            report.add(twice(&format!("the group `{}`", group.name.value), first, &group.name.place));
            continue;
        }
        let chooser = Chooser { hosts: &candidates, groups: &groups, report };
        let members = group.on.as_ref().and_then(|on| chooser.choose(on)).unwrap_or_default();
        for at in members {
            candidates[at].groups.push(group.name.value.clone());
            candidates[at].tags.extend(group.keys.tags.iter().cloned());
        }
        groups.push(group.name.value.clone());
    }
    candidates.into_iter().map(|candidate| candidate.groups).collect()
}
