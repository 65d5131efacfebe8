//! The runs of a fleet, newest first.

use crate::columns::aligned;
use crate::json::to_json;
use crate::palette::Palette;
use crate::quantity::grouped;
use crate::told::{date_time, one_line};
use serde::Serialize;
use snapback_core::outcome::HostResult;
use std::collections::BTreeMap;
use std::io;

/// One run of `deploy history`.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// Its id.
    pub run: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `user@controller`.
    pub owner: String,
    /// What it was for; may be empty.
    pub comment: String,
    /// How many hosts it was on.
    pub hosts: usize,
    /// How many hosts ended how.
    pub results: BTreeMap<HostResult, usize>,
    /// How far it came, in words.
    pub end: String,
    /// Its exit code, if it came to its end.
    pub exit_code: Option<u8>,
}

/// Renders runs as aligned columns.
#[must_use]
pub fn render_history(rows: &[RunRow], colour: bool) -> String {
    let palette = Palette::new(colour);
    let mut cells = vec![["RUN", "BEGAN", "BY", "EXIT", "HOSTS"].map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let exit = row.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string());
        [row.run.clone(), date_time(row.at_ms), one_line(&row.owner), exit, told(row, palette)]
    }));
    aligned(&cells).join("\n") + "\n"
}

/// Renders one run as a line.
#[must_use]
pub fn render_last_run(row: &RunRow, colour: bool) -> String {
    let told = told(row, Palette::new(colour));
    format!("last run {} by {}, {}: {told}", row.run, one_line(&row.owner), date_time(row.at_ms))
}

/// Renders runs as one line of JSON: `{"v":1,"runs":[...]}`.
///
/// # Errors
/// Never for these types; the signature is `serde_json`'s.
pub fn history_json(rows: &[RunRow]) -> io::Result<String> {
    #[derive(Serialize)]
    struct History<'a> {
        v: u32,
        runs: &'a [RunRow],
    }
    to_json(&History { v: snapback_core::event::VERSION, runs: rows })
}

fn told(row: &RunRow, palette: Palette) -> String {
    let known: usize = row.results.values().sum();
    let part = |(result, n): (&HostResult, &usize)| {
        palette.result(*result, &format!("{} {}", grouped(*n), result.word()))
    };
    let mut parts: Vec<String> = row.results.iter().map(part).collect();
    if known < row.hosts {
        parts.push(palette.notable(&format!("{} open", grouped(row.hosts - known))));
    }
    if row.exit_code.is_none() {
        parts.push(palette.notable(&row.end));
    }
    if !row.comment.is_empty() {
        parts.push(format!("({})", one_line(&row.comment)));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(results: &[(HostResult, usize)], exit_code: Option<u8>) -> RunRow {
        RunRow {
            run: "01RUN".to_owned(),
            at_ms: 1_800_000_000_000,
            owner: "me@here".to_owned(),
            comment: String::new(),
            hosts: 30,
            results: results.iter().copied().collect(),
            end: "its controller is gone".to_owned(),
            exit_code,
        }
    }

    #[test]
    fn runs_are_listed_with_what_became_of_their_hosts() {
        let stopped = row(&[(HostResult::Confirmed, 4), (HostResult::NotReached, 26)], Some(6));
        let died = RunRow { comment: "a\u{1b}b".to_owned(), ..row(&[(HostResult::Confirmed, 4)], None) };
        assert_eq!(
            render_history(&[stopped, died.clone()], false),
            "RUN    BEGAN                 BY       EXIT  HOSTS\n\
             01RUN  2027-01-15 08:00:00Z  me@here  6     4 confirmed, 26 not_reached\n\
             01RUN  2027-01-15 08:00:00Z  me@here  -     4 confirmed, 26 open, its controller is gone, (a\\x1bb)\n"
        );
        assert!(
            render_last_run(&died, false).starts_with("last run 01RUN by me@here, 2027-01-15 08:00:00Z: 4")
        );
    }
}
