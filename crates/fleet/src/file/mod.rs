//! A fleet file as it was written: typed and with places, but nothing worked out yet.

mod change;
mod check;
mod hooks;
mod host;
mod include;
mod limits;
mod quoting;
mod rollout;
mod syntax;

pub(crate) use change::{From, RawChange, RawEntry, RawFiles, RawKind, RawScript};
pub(crate) use check::{RawCheck, RawProbe};
pub(crate) use hooks::RawHooks;
pub(crate) use host::{HostKeys, var_name_problem};
pub(crate) use include::load_document;
pub(crate) use limits::RawConfirm;
pub(crate) use rollout::{RawCanary, RawRollout, too_many_canaries};

use crate::keys::{HISTORY, TOP};
use crate::place::{At, Place};
use crate::problem::Problem;
use crate::reader::{Reading, Table, Value};
use toml::de::DeTable;

/// A group as it was written.
#[derive(Clone, Debug)]
pub(crate) struct RawGroup {
    /// Its name.
    pub(crate) name: At<String>,
    /// Which hosts are in it.
    pub(crate) on: Option<At<String>>,
    /// What it says of them.
    pub(crate) keys: HostKeys,
}

/// A `[hosts."..."]` entry as it was written.
#[derive(Clone, Debug)]
pub(crate) struct RawHost {
    /// The name, or a range of names.
    pub(crate) pattern: At<String>,
    /// What it says of them.
    pub(crate) keys: HostKeys,
}

/// All that one file says; included files are merged into the one that includes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    /// `name`.
    pub(crate) name: Option<At<String>>,
    /// `include`, of this file alone.
    pub(crate) include: Vec<At<String>>,
    /// `protected_paths`.
    pub(crate) protected_paths: Vec<At<String>>,
    /// `[defaults]`, with the place of its header.
    pub(crate) defaults: Option<At<HostKeys>>,
    /// `[groups.NAME]`.
    pub(crate) groups: Vec<RawGroup>,
    /// `[hosts."..."]`.
    pub(crate) hosts: Vec<RawHost>,
    /// `[[changes]]`.
    pub(crate) changes: Vec<RawChange>,
    /// `[[checks]]`.
    pub(crate) checks: Vec<RawCheck>,
    /// `[confirm]`.
    pub(crate) confirm: Option<At<RawConfirm>>,
    /// `[rollout]`.
    pub(crate) rollout: Option<At<RawRollout>>,
    /// `[hooks]`.
    pub(crate) hooks: Option<At<RawHooks>>,
    /// `[history]`: its `keep`.
    pub(crate) history: Option<At<Option<u32>>>,
}

impl Document {
    /// Reads one parsed file.
    pub(crate) fn read<'a>(reading: Reading<'a>, table: &'a DeTable<'a>) -> Self {
        let top = Table::open(reading, table, reading.place(0..0), &TOP);
        let header = |key: &'static str| top.key_place(key);
        Self {
            name: top.get("name").and_then(|v| v.text()).and_then(|name| fleet_name(reading, name)),
            include: top.get("include").map(|v| v.texts()).unwrap_or_default(),
            protected_paths: top.get("protected_paths").map(|v| v.texts()).unwrap_or_default(),
            defaults: section(&top, "defaults", header("defaults"), |v| Some(HostKeys::of_defaults(&v))),
            groups: top.get("groups").map(|v| groups(&v)).unwrap_or_default(),
            hosts: top.get("hosts").map(|v| hosts(&v)).unwrap_or_default(),
            changes: each(&top, "changes", |v| RawChange::read(&v)),
            checks: each(&top, "checks", |v| RawCheck::read(&v)),
            confirm: section(&top, "confirm", header("confirm"), |v| RawConfirm::read(&v)),
            rollout: section(&top, "rollout", header("rollout"), |v| RawRollout::read(&v)),
            hooks: section(&top, "hooks", header("hooks"), |v| RawHooks::read(&v)),
            history: section(&top, "history", header("history"), |v| {
                Some(v.table(&HISTORY)?.get("keep").and_then(|keep| keep.number::<u32>(1)))
            }),
        }
    }

    /// Puts what another file says before this one's; what can be said once only is taken down as a problem.
    pub(crate) fn prepend(&mut self, before: Self, complain: &dyn Fn(Problem)) {
        let once = |what: &str, first: Option<&Place>, second: Option<&Place>| {
            if let (Some(first), Some(second)) = (first, second) {
                complain(twice(what, first, second));
            }
        };
        once("`name`", at(before.name.as_ref()), at(self.name.as_ref()));
        once("`[defaults]`", at(before.defaults.as_ref()), at(self.defaults.as_ref()));
        once("`[confirm]`", at(before.confirm.as_ref()), at(self.confirm.as_ref()));
        once("`[rollout]`", at(before.rollout.as_ref()), at(self.rollout.as_ref()));
        once("`[hooks]`", at(before.hooks.as_ref()), at(self.hooks.as_ref()));
        once("`[history]`", at(before.history.as_ref()), at(self.history.as_ref()));
        self.name = self.name.take().or(before.name);
        self.defaults = self.defaults.take().or(before.defaults);
        self.confirm = self.confirm.take().or(before.confirm);
        self.rollout = self.rollout.take().or(before.rollout);
        self.hooks = self.hooks.take().or(before.hooks);
        self.history = self.history.take().or(before.history);
        self.protected_paths.splice(0..0, before.protected_paths);
        self.groups.splice(0..0, before.groups);
        self.hosts.splice(0..0, before.hosts);
        self.changes.splice(0..0, before.changes);
        self.checks.splice(0..0, before.checks);
    }
}

/// Returns the problem of a name that is taken.
pub(crate) fn twice(what: &str, first: &Place, second: &Place) -> Problem {
    Problem::at(second, format!("{what} is defined twice")).related(first, "first here")
}

fn at<T>(value: Option<&At<T>>) -> Option<&Place> {
    value.map(|v| &v.place)
}

fn fleet_name(reading: Reading<'_>, name: At<String>) -> Option<At<String>> {
    match bad_fleet_name(&name.value) {
        None => Some(name),
        Some(why) => {
            reading.complain(
                Problem::at(&name.place, format!("a fleet can't be called {:?}", name.value)).hint(why),
            );
            None
        }
    }
}

/// Returns why a text can't be a fleet's name: it is a key of records and locks, and part of file names.
pub(crate) fn bad_fleet_name(name: &str) -> Option<&'static str> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (name.is_empty() || name.starts_with(['.', '-']) || !plain)
        .then_some("use letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_`")
}

fn section<'a, T>(
    top: &Table<'a>,
    key: &'static str,
    place: Option<Place>,
    read: impl FnOnce(Value<'a>) -> Option<T>,
) -> Option<At<T>> {
    Some(At { value: read(top.get(key)?)?, place: place? })
}

fn each<'a, T>(top: &Table<'a>, key: &'static str, read: impl FnMut(Value<'a>) -> Option<T>) -> Vec<T> {
    top.get(key).map(|value| value.list().into_iter().filter_map(read).collect()).unwrap_or_default()
}

fn groups(value: &Value<'_>) -> Vec<RawGroup> {
    let read = |(name, value): (At<&str>, Value<'_>)| {
        let (on, keys) = HostKeys::of_group(&value)?;
        Some(RawGroup { name: name.map(str::to_owned), on, keys })
    };
    value.entries().into_iter().filter_map(read).collect()
}

fn hosts(value: &Value<'_>) -> Vec<RawHost> {
    let mut hosts = Vec::new();
    for (name, value) in value.entries() {
        let unquoted = quoting::complain_about_missing_quotes(&name, &value);
        if unquoted.is_empty() {
            let keys = HostKeys::of_host(&value);
            hosts.extend(keys.map(|keys| RawHost { pattern: name.map(str::to_owned), keys }));
        }
        for meant in unquoted {
            let keys = HostKeys::of_host(&meant.value);
            hosts.extend(keys.map(|keys| RawHost { pattern: meant.name, keys }));
        }
    }
    hosts
}
