//! `[hosts.app01.example.org]`: to TOML, each dot opens a table.

use crate::keys::HOST;
use crate::place::{At, Place};
use crate::problem::Problem;
use crate::reader::{Value, is_users};
use toml::de::DeValue;

/// A host whose name was written without quotes.
pub(super) struct Unquoted<'a> {
    /// The name with its dots.
    pub(super) name: At<String>,
    /// What it says of the host, so that the rest of the file can be judged all the same.
    pub(super) value: Value<'a>,
}

/// Takes down host names whose dots were not quoted, and returns them as they were meant.
pub(super) fn complain_about_missing_quotes<'a>(name: &At<&str>, value: &Value<'a>) -> Vec<Unquoted<'a>> {
    let mut found = Vec::new();
    collect(&[name.value], &name.place, value, &mut found);
    for Unquoted { name, value } in &found {
        let dotted = &name.value;
        let message = format!("the host name `{dotted}` needs quotes: without them its dots nest tables");
        value
            .reading()
            .complain(Problem::at(&name.place, message).hint(format!("write [hosts.\"{dotted}\"]")));
    }
    found
}

/// Walks down while the keys can't be keys of a host.
fn collect<'a>(path: &[&str], start: &Place, value: &Value<'a>, found: &mut Vec<Unquoted<'a>>) {
    let DeValue::Table(table) = value.item() else { return };
    for (key, item) in table {
        let known =
            HOST.now.contains(&key.get_ref().as_ref()) || HOST.later.contains(&key.get_ref().as_ref());
        // An inline table (`tag = { ... }`) is a misspelt key and not a part of a name.
        let inline = value.reading().place(item.span()).written().starts_with('{');
        if known || inline || is_users(key.get_ref()) || !matches!(item.get_ref(), DeValue::Table(_)) {
            continue;
        }
        let mut longer = path.to_vec();
        longer.push(key.get_ref());
        let inner = Value::new(value.reading(), key.get_ref(), item);
        let before = found.len();
        collect(&longer, start, &inner, found);
        if found.len() == before {
            let name = At { value: longer.join("."), place: header(start, key.span()) };
            found.push(Unquoted { name, value: inner });
        }
    }
}

/// Returns the place from the first part of the name to its last, if both are in one header.
fn header(start: &Place, last: std::ops::Range<usize>) -> Place {
    let whole = start.elsewhere(start.range().start..last.end.max(start.range().start));
    let one_line = whole.range().start < last.start && !whole.written().contains('\n');
    if one_line { whole } else { start.elsewhere(last) }
}
