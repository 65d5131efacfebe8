//! `[[changes]]` as they were written.

use crate::keys::{FILE, FILES, LATER_KINDS, SCRIPT};
use crate::nearest::did_you_mean;
use crate::place::{At, Place};
use crate::problem::Problem;
use crate::reader::{RawCommand, Table, Value};
use std::time::Duration;
use toml::de::DeValue;

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct RawChange {
    pub(crate) name: Option<At<String>>,
    /// Its `[[changes]]` header.
    pub(crate) place: Place,
    pub(crate) on: Option<At<String>>,
    pub(crate) allow: Vec<At<String>>,
    pub(crate) timeout: Option<At<Duration>>,
    pub(crate) kind: RawKind,
}

/// What it does.
#[derive(Clone, Debug)]
pub(crate) enum RawKind {
    Files(RawFiles),
    Script(Box<RawScript>),
}

/// A change of the kind `files`.
#[derive(Clone, Debug)]
pub(crate) struct RawFiles {
    pub(crate) validate: Option<At<RawCommand>>,
    pub(crate) handlers: Vec<At<RawCommand>>,
    pub(crate) entries: Vec<RawEntry>,
}

/// A change of the kind `script`.
#[derive(Clone, Debug)]
pub(crate) struct RawScript {
    pub(crate) facts: Option<At<RawCommand>>,
    pub(crate) unless: Option<At<RawCommand>>,
    /// `None` only when what was written is wrong, and it has been said.
    pub(crate) apply: Option<At<RawCommand>>,
    pub(crate) rollback: Option<At<RawCommand>>,
    pub(crate) watch: Vec<At<String>>,
    pub(crate) irreversible: bool,
    /// `where = "local"`.
    pub(crate) is_local: bool,
    /// Only of a local one.
    pub(crate) after: Option<At<RawCommand>>,
}

/// One `[[changes.files]]` entry.
#[derive(Clone, Debug)]
pub(crate) struct RawEntry {
    pub(crate) from: From,
    pub(crate) dest: At<String>,
    pub(crate) template: Vec<At<String>>,
    pub(crate) mode: Option<u32>,
    pub(crate) dir_mode: Option<u32>,
    pub(crate) owner: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) purge: Option<Place>,
}

/// Where an entry's content comes from.
#[derive(Clone, Debug)]
pub(crate) enum From {
    /// A file or a folder beside the fleet file.
    Source(At<String>),
    /// Text in the fleet file.
    Content(At<String>),
    /// Nothing: it is a symbolic link.
    Link(At<String>),
}

impl RawChange {
    /// Reads one change.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        match kind_of(value)? {
            Kind::Files => {
                let table = value.table(&FILES)?;
                refuse_local(&table);
                let kind = RawKind::Files(RawFiles {
                    validate: command(&table, "validate"),
                    handlers: table.get("handlers").map(|v| commands(&v)).unwrap_or_default(),
                    entries: entries(&table),
                });
                Some(Self::of(&table, kind))
            }
            Kind::Script => {
                let table = value.table(&SCRIPT)?;
                let kind = RawKind::Script(Box::new(script(&table)));
                Some(Self::of(&table, kind))
            }
        }
    }

    fn of(table: &Table<'_>, kind: RawKind) -> Self {
        Self {
            name: table.get("name").and_then(|v| label(&v)),
            place: table.place().clone(),
            on: table.get("on").and_then(|v| v.text()),
            allow: table.get("allow").map(|v| v.texts()).unwrap_or_default(),
            timeout: table.get("timeout").and_then(|v| v.duration(false)),
            kind,
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Files,
    Script,
}

/// Reads `kind` on its own: it decides which other keys there may be.
fn kind_of(value: &Value<'_>) -> Option<Kind> {
    let table = value.raw_table()?;
    let Some(item) = table.get("kind") else {
        let hint = Some("add kind = \"files\" or kind = \"script\"".to_owned());
        value.complain("this change has no `kind`", hint);
        return None;
    };
    let kind = Value::new(value.reading(), "kind", item);
    let text = kind.text()?;
    if LATER_KINDS.contains(&text.value.as_str()) {
        let hint =
            Some("this version has `files` and `script`; a script can do it, with a rollback".to_owned());
        kind.complain(format!("the kind `{}` is not yet supported", text.value), hint);
        return None;
    }
    match text.value.as_str() {
        "files" => Some(Kind::Files),
        "script" => Some(Kind::Script),
        other => {
            let hint = did_you_mean(other, ["files", "script"]);
            kind.complain(
                format!("unknown kind {other:?}"),
                hint.or_else(|| Some("it is `files` or `script`".to_owned())),
            );
            None
        }
    }
}

/// Reads a name that is shown in terminals and logs.
pub(super) fn label(value: &Value<'_>) -> Option<At<String>> {
    let text = value.text()?;
    if text.value.trim().is_empty() || text.value.chars().any(char::is_control) {
        value.complain("a name can't be empty or hold control characters", None);
        return None;
    }
    Some(text)
}

fn command(table: &Table<'_>, key: &'static str) -> Option<At<RawCommand>> {
    table.get(key).and_then(|value| value.command())
}

fn commands(value: &Value<'_>) -> Vec<At<RawCommand>> {
    value.list().iter().filter_map(Value::command).collect()
}

/// Returns whether a change is made on the controller.
fn is_local(table: &Table<'_>) -> bool {
    let places = [("remote", false), ("local", true)];
    table.get("where").and_then(|v| v.word(&places)).unwrap_or_default()
}

fn refuse_local(table: &Table<'_>) {
    if is_local(table)
        && let Some(place) = table.key_place("where")
    {
        let problem = Problem::at(&place, "files can't be put in place where `deploy` runs");
        table.complain(problem.hint("a change of the kind \"script\" can run there, with a rollback"));
    }
}

/// Takes down what a script can't have where it runs.
fn judge_place(table: &Table<'_>, is_local: bool) {
    let (keys, why, hint): (&[&'static str], _, _) = if is_local {
        let why = "means nothing with `where = \"local\"`: the guard is on the host, and this runs where `deploy` does";
        (&["watch", "allow"], why, "add `rollback`, which undoes it")
    } else {
        let why = "is for changes with `where = \"local\"`";
        (&["after"], why, "add `where = \"local\"`, or remove it")
    };
    for key in keys {
        if let Some(place) = table.key_place(key) {
            table.complain(Problem::at(&place, format!("`{key}` {why}")).hint(hint));
        }
    }
}

fn script(table: &Table<'_>) -> RawScript {
    let is_local = is_local(table);
    judge_place(table, is_local);
    let irreversible = table.get("irreversible").and_then(|v| v.flag()).is_some_and(|flag| flag.value);
    let undone = irreversible || table.get("rollback").is_some() || table.get("watch").is_some();
    if !undone {
        let hint = if is_local {
            "add `rollback` (a command), or `irreversible = true`"
        } else {
            "add `rollback` (a command), `watch` (paths that the guard puts back), or `irreversible = true`"
        };
        table.complain(Problem::at(table.place(), "nothing says how to undo this script").hint(hint));
    }
    RawScript {
        facts: command(table, "facts"),
        unless: command(table, "unless"),
        rollback: command(table, "rollback"),
        watch: table.get("watch").map(|v| v.texts()).unwrap_or_default(),
        irreversible,
        is_local,
        after: command(table, "after"),
        apply: table.need("apply").and_then(|v| v.command()),
    }
}

fn entries(table: &Table<'_>) -> Vec<RawEntry> {
    let Some(list) = table.need("files") else { return Vec::new() };
    list.list().iter().filter_map(entry).collect()
}

fn entry(value: &Value<'_>) -> Option<RawEntry> {
    let table = value.table(&FILE)?;
    let dest = table.need("dest").and_then(|v| v.text());
    let from = from(&table);
    let entry = RawEntry {
        template: table.get("template").map(|v| v.text_or_texts()).unwrap_or_default(),
        mode: table.get("mode").and_then(|v| v.mode()),
        dir_mode: table.get("dir_mode").and_then(|v| v.mode()),
        owner: table.get("owner").and_then(|v| account(&v)),
        group: table.get("group").and_then(|v| account(&v)),
        purge: table.get("purge").and_then(|v| v.flag()).filter(|flag| flag.value).map(|flag| flag.place),
        from: from?,
        dest: dest?,
    };
    for (key, place) in pointless(&entry, &table) {
        let message = format!("`{key}` means nothing here");
        table.complain(Problem::at(&place, message).hint("it belongs to a `source`"));
    }
    Some(entry)
}

fn from(table: &Table<'_>) -> Option<From> {
    let ways = ["source", "content", "symlink_to"];
    let written: Vec<&'static str> = ways.into_iter().filter(|key| table.get(key).is_some()).collect();
    match written.as_slice() {
        [one] => {
            let text = table.get(one)?.text()?;
            Some(match *one {
                "source" => From::Source(text),
                "content" => From::Content(text),
                _ => From::Link(text),
            })
        }
        [] => {
            let hint = "add `source` (a file or a folder), `content` (the text itself) or `symlink_to`";
            table.complain(Problem::at(table.place(), "this entry has no content").hint(hint));
            None
        }
        [_, second, ..] => {
            let place = table.key_place(second)?;
            table.complain(Problem::at(&place, "`source`, `content` and `symlink_to` exclude each other"));
            None
        }
    }
}

/// Returns the keys that were written and that this entry has no use for.
fn pointless(entry: &RawEntry, table: &Table<'_>) -> Vec<(&'static str, Place)> {
    let keys: &[&'static str] = match entry.from {
        From::Source(_) => &[],
        From::Content(_) => &["template", "dir_mode", "purge"],
        From::Link(_) => &["template", "mode", "dir_mode", "purge"],
    };
    keys.iter().filter_map(|key| table.key_place(key).map(|place| (*key, place))).collect()
}

/// Reads the name or the number of a user or a group.
fn account(value: &Value<'_>) -> Option<String> {
    if let DeValue::Integer(_) = value.item() {
        return value.number::<u32>(0).map(|number| number.to_string());
    }
    let text = value.text()?.value;
    let plain = text.chars().all(|c| c.is_alphanumeric() || "._-@$".contains(c));
    if text.is_empty() || text.starts_with('-') || !plain {
        value.complain("this is no user or group", Some("write a name, or a number".to_owned()));
        return None;
    }
    Some(text)
}
