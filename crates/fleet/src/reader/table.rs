//! A table whose keys are known.

use super::{Reading, Value};
use crate::keys::Keys;
use crate::nearest::{did_you_mean, one_of};
use crate::place::Place;
use crate::problem::Problem;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table that has been compared with the keys it may have.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    reading: Reading<'a>,
    entries: &'a DeTable<'a>,
    place: Place,
    keys: &'static Keys,
}

/// One key and its value.
pub(crate) type Entry<'a> = (&'a Spanned<std::borrow::Cow<'a, str>>, &'a Spanned<DeValue<'a>>);

/// Returns the entries in the order of the text: a map may have moved a table that was added to later.
pub(crate) fn in_file_order<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Returns whether a key is the user's own.
pub(crate) fn is_users(key: &str) -> bool {
    key.starts_with("x-")
}

impl<'a> Table<'a> {
    /// Opens a table: keys that it can't have are taken down at once.
    pub(crate) fn open(
        reading: Reading<'a>,
        entries: &'a DeTable<'a>,
        place: Place,
        keys: &'static Keys,
    ) -> Self {
        for (key, _) in in_file_order(entries) {
            if !keys.now.contains(&key.get_ref().as_ref()) && !is_users(key.get_ref()) {
                reading.complain(unknown(&reading.place(key.span()), key.get_ref(), keys));
            }
        }
        Self { reading, entries, place, keys }
    }

    /// Returns the place of the table itself: its header, or the braces.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the value of a key, if it was written.
    pub(crate) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.keys.now.contains(&key), "{key} is missing in the key table");
        self.entries.get(key).map(|item| Value::new(self.reading, key, item))
    }

    /// Returns the value of a key that must be there.
    pub(crate) fn need(&self, key: &'static str) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            let message = format!("{} needs `{key}`", self.keys.title);
            self.reading.complain(Problem::at(&self.place, message));
        }
        value
    }

    /// Takes a problem down.
    pub(crate) fn complain(&self, problem: Problem) {
        self.reading.complain(problem);
    }

    /// Returns the place of a key, if it was written.
    pub(crate) fn key_place(&self, key: &str) -> Option<Place> {
        self.entries.get_key_value(key).map(|(key, _)| self.reading.place(key.span()))
    }
}

fn unknown(place: &Place, key: &str, keys: &Keys) -> Problem {
    if keys.later.contains(&key) {
        return Problem::at(place, format!("`{key}` is not yet supported in {}", keys.title))
            .hint("remove it: this version would not do what it asks for");
    }
    let problem = Problem::at(place, format!("unknown key `{key}` in {}", keys.title));
    if keys.now.is_empty() {
        return problem.hint("it takes no keys");
    }
    let mut list: Vec<&str> = keys.now.to_vec();
    list.sort_unstable();
    problem
        .hint(format!("it takes {}; keys that begin with `x-` are yours", one_of(list)))
        .maybe_hint(did_you_mean(key, keys.now.iter().copied()))
}
