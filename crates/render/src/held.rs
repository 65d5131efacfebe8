//! What a host holds of the runs that were confirmed there.

use crate::columns::aligned;
use crate::json::to_json;
use crate::told::{date_time, one_line};
use serde::Serialize;
use std::io;

/// One run that a host holds.
#[derive(Clone, Debug, Serialize)]
pub struct HeldRow {
    /// The host.
    pub host: String,
    /// The run's id.
    pub run: String,
    /// The fleet's name.
    pub fleet: String,
    /// `user@controller`.
    pub owner: String,
    /// What it was for; may be empty.
    pub comment: String,
    /// When it was confirmed, by the host's clock, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How many changes it had.
    pub changes: u64,
    /// How many paths it touched.
    pub paths: u64,
    /// Whether one can go back to before it, in words.
    pub state: String,
}

/// Renders what a host holds as aligned columns below its name.
#[must_use]
pub fn render_held(host: &str, rows: &[HeldRow]) -> String {
    if rows.is_empty() {
        return format!("{host}: holds no confirmed run");
    }
    let mut cells = vec![["RUN", "CONFIRMED", "BY", "FLEET", "CHANGES", "PATHS", "", ""].map(str::to_owned)];
    cells.extend(rows.iter().rev().map(|row| {
        let (changes, paths) = (row.changes.to_string(), row.paths.to_string());
        let (by, comment) = (one_line(&row.owner), one_line(&row.comment));
        [
            row.run.clone(),
            date_time(row.at_ms),
            by,
            row.fleet.clone(),
            changes,
            paths,
            row.state.clone(),
            comment,
        ]
    }));
    let lines: Vec<_> = aligned(&cells).iter().map(|line| format!("  {line}")).collect();
    format!("{host}:\n{}", lines.join("\n"))
}

/// Renders what a host holds as one line of JSON: `{"v":1,"held":[...]}`.
///
/// # Errors
/// Never for these types; the signature is `serde_json`'s.
pub fn held_json(rows: &[HeldRow]) -> io::Result<String> {
    #[derive(Serialize)]
    struct All<'a> {
        v: u32,
        held: &'a [HeldRow],
    }
    to_json(&All { v: 1, held: rows })
}
