//! Parses TOML, and explains what usually lies behind the errors that people make.

use crate::place::{Place, Source};
use crate::problem::{Problem, Report};
use std::sync::Arc;
use toml::de::{DeTable, Error};

/// Parses a text. What can't be trusted after an error is not returned; a key given twice leaves the rest sound.
pub(super) fn parse<'a>(source: &'a Arc<Source>, report: &Report) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut sound = true;
    let mut doubled_tables: Vec<usize> = Vec::new();
    for error in errors {
        sound &= error.message() == DUPLICATE;
        let at = error.span().map_or(0, |span| span.start);
        let header = source.text[..at].rfind("\n[").map_or(0, |newline| newline + 1);
        // A table given twice is one problem; that its keys are then there twice too is only the consequence.
        if error.message() == DUPLICATE && doubled_tables.contains(&header) {
            continue;
        }
        if !source.text[header..at].contains('\n') {
            doubled_tables.push(header);
        }
        report.add(explain(source, &error));
    }
    sound.then(|| table.into_inner())
}

/// What the parser says when a key or a table is there already.
const DUPLICATE: &str = "duplicate key";

fn explain(source: &Arc<Source>, error: &Error) -> Problem {
    let place = Place::new(source, error.span().unwrap_or(0..0));
    let line = line_of(&place);
    if error.message() == DUPLICATE {
        let name = place.written().trim_matches(['"', '\'']).to_owned();
        let problem = Problem::at(&place, format!("`{name}` is defined twice"));
        return match first_definition(source, &place, line) {
            Some(first) => problem.related(&first, "first here"),
            None => problem,
        };
    }
    let message = error.message().strip_suffix(", expected nothing").unwrap_or(error.message());
    Problem::at(&place, message).maybe_hint(hint(line))
}

fn line_of(place: &Place) -> &str {
    let start = place.text()[..place.range().start].rfind('\n').map_or(0, |at| at + 1);
    place.text()[start..].lines().next().unwrap_or_default()
}

fn hint(line: &str) -> Option<String> {
    let line = line.trim();
    if let Some(name) = line.strip_prefix("[hosts.").and_then(|rest| rest.strip_suffix(']')) {
        return (!name.contains('"'))
            .then(|| format!("a host name with brackets needs quotes: [hosts.\"{name}\"]"));
    }
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.split('#').next()?.trim());
    let digits = value.len() > 1 && value.bytes().all(|b| b.is_ascii_digit());
    if key.ends_with("mode") && digits {
        return Some(format!("a mode is octal and needs quotes: {key} = \"{value}\""));
    }
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit());
    if unit.len() < value.len() && ["ms", "s", "m", "h"].contains(&unit) {
        return Some(format!("a duration needs quotes: {key} = \"{value}\""));
    }
    None
}

/// Looks for the line that defined the name before: the parser's error has only the second place.
fn first_definition(source: &Arc<Source>, second: &Place, line: &str) -> Option<Place> {
    let name = second.written();
    let header = line.trim_start().starts_with('[');
    let mut found = None;
    let mut start = 0;
    for earlier in source.text[..second.range().start].split_inclusive('\n') {
        let code = earlier.trim();
        let is_header = code.starts_with('[');
        if header && is_header && code == line.trim() {
            found = earlier.find(name).map(|at| start + at);
        } else if !header && is_header {
            found = None;
        } else if !header && code.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('=')) {
            found = earlier.find(name).map(|at| start + at);
        }
        start += earlier.len();
    }
    found.map(|at| second.elsewhere(at..at + name.len()))
}
