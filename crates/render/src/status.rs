//! What hosts say of their open and last transactions.

mod fold;

use crate::board::FEW;
use crate::columns::aligned;
use crate::json::to_json;
use crate::lease::what_for;
use crate::names::without_name;
use crate::palette::Palette;
use crate::quantity::{age, count, limit};
use crate::told::one_line;
use fold::{Alike, alike};
use serde::Serialize;
use snapback_core::host::HostName;
use snapback_core::inspection::Pending;
use snapback_core::lease::Lease;
use snapback_core::outcome::HostResult;
use snapback_core::target::TargetState;
use std::io;
use std::time::Duration;

/// One host of `deploy status`.
#[derive(Clone, Debug, Serialize)]
pub struct StatusRow {
    /// The host.
    pub host: HostName,
    /// The transaction that is open on it.
    pub pending: Option<Pending>,
    /// The run that is about to change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// What the open one's failed rollback left broken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// The last one that ended.
    pub last: Option<LastRun>,
    /// Why the host could not be asked.
    pub error: Option<String>,
}

/// The last transaction that ended on a host.
#[derive(Clone, Debug, Serialize)]
pub struct LastRun {
    /// Its id.
    pub tx: String,
    /// How it ended, in the target's word.
    pub result: String,
    /// Seconds since it ended.
    pub ended_age_secs: u64,
    /// `user@controller` of whoever began it.
    pub owner: String,
    /// What the undo said of items that are not as before.
    pub items: Vec<String>,
}

/// Renders hosts as one block of aligned columns. Of more than a few, those of which the same is told have one row unless
/// `all` are asked for.
#[must_use]
pub fn render_status(rows: &[StatusRow], all: bool, colour: bool) -> String {
    let palette = Palette::new(colour);
    let folded: Vec<_> = if all || rows.len() <= FEW {
        rows.iter().map(|row| Alike { first: row, oldest: row, hosts: 1 }).collect()
    } else {
        alike(rows)
    };
    let mut cells = vec![["HOST", "OPEN", "LAST"].map(str::to_owned)];
    cells.extend(folded.iter().map(|alike| alike_cells(alike, palette)));
    let lines = aligned(&cells);
    let mut out = format!("{}\n", lines[0]);
    for (Alike { first, .. }, line) in folded.iter().zip(&lines[1..]) {
        out.push_str(line);
        out.push('\n');
        for item in first.items.iter().chain(first.last.iter().flat_map(|last| &last.items)) {
            out.push_str(&format!("    {}\n", palette.bad(&one_line(item))));
        }
    }
    out
}

fn alike_cells(alike: &Alike<'_>, palette: Palette) -> [String; 3] {
    let [host, open, last] = row_cells(alike.oldest, palette);
    if alike.hosts == 1 {
        return [host, open, last];
    }
    let (first, oldest) = (alike.first.host.as_str(), alike.oldest.host.as_str());
    let rest = count(alike.hosts - 1, "more host");
    [format!("{first} and {rest}"), open, without_name(&last, oldest)]
}

/// Renders hosts as one line of JSON: `{"v":1,"hosts":[...]}`.
///
/// # Errors
/// Never for these types; the signature is `serde_json`'s.
pub fn status_json(rows: &[StatusRow]) -> io::Result<String> {
    #[derive(Serialize)]
    struct Status<'a> {
        v: u32,
        hosts: &'a [StatusRow],
    }
    to_json(&Status { v: snapback_core::event::VERSION, hosts: rows })
}

fn row_cells(row: &StatusRow, palette: Palette) -> [String; 3] {
    let host = row.host.to_string();
    if let Some(error) = &row.error {
        return [host, palette.bad("?"), palette.bad(&format!("could not be asked: {}", one_line(error)))];
    }
    let pending = row.pending.as_ref().map(|pending| open(pending, palette));
    let lease = || row.lease.as_ref().map(|lease| palette.notable(&held(lease)));
    let open = pending.or_else(lease).unwrap_or_else(|| "-".to_owned());
    let last = row.last.as_ref().map_or_else(|| "-".to_owned(), |last| ended(last, palette));
    [host, open, last]
}

fn open(pending: &Pending, palette: Palette) -> String {
    let mut parts = vec![format!("{} since {} by {}", pending.state, age(pending.age), pending.owner)];
    parts.extend(pending.left.map(|left| format!("undoes in {}", limit(Duration::from_secs(left)))));
    let over = |left| format!("silent: may be taken over in {}", limit(Duration::from_secs(left)));
    parts.extend(pending.over_in.map(over));
    parts.extend((!pending.comment.is_empty()).then(|| pending.comment.clone()));
    parts.extend(Some(pending.origin.told()).filter(|origin| !origin.is_empty()));
    let text = one_line(&parts.join(", "));
    if pending.state == TargetState::RollbackFailed.word() {
        palette.bad(&text)
    } else {
        palette.notable(&text)
    }
}

fn held(lease: &Lease) -> String {
    let ends = limit(Duration::from_secs(lease.left));
    let what = what_for(&lease.origin, &lease.comment);
    one_line(&format!("held since {} by {}, at most {ends} more{what}", age(lease.age), lease.owner))
}

fn ended(last: &LastRun, palette: Palette) -> String {
    let text = format!("{} {} ago by {} ({})", last.result, age(last.ended_age_secs), last.owner, last.tx);
    let text = one_line(&text);
    if last.result == HostResult::Confirmed.word() { palette.good(&text) } else { palette.notable(&text) }
}
