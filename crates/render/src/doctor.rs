//! What `deploy doctor` found, and how to mend it.

mod fold;

use crate::board::FEW;
use crate::columns::aligned;
use crate::json::to_json;
use crate::palette::Palette;
use crate::quantity::{count, grouped};
use crate::told::{cut, one_line};
use serde::Serialize;
use snapback_core::event::{VERSION, visible};
use std::io;

/// How an item of the examination came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// Works, with less protection or speed than there could be.
    Warn,
    /// Stands in the way of a run.
    Bad,
}

/// One item that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorRow {
    /// The host, or what stands for the controller.
    pub host: String,
    /// What was looked at.
    pub item: String,
    /// How it came out.
    pub ok: Health,
    /// What was found.
    pub found: String,
    /// Lines to paste that mend it; empty when there is nothing to mend.
    pub mend: String,
}

/// Which marks a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Ticks and crosses.
    Unicode,
    /// Words, for anything that isn't a UTF-8 terminal.
    Ascii,
}

impl Marks {
    fn of(self, health: Health) -> &'static str {
        match (self, health) {
            (Self::Unicode, Health::Good) => "\u{2713}",
            (Self::Unicode, Health::Warn) => "!",
            (Self::Unicode, Health::Bad) => "\u{2717}",
            (Self::Ascii, Health::Good) => "ok",
            (Self::Ascii, Health::Warn) => "warn",
            (Self::Ascii, Health::Bad) => "BAD",
        }
    }
}

/// Returns the worst that was found; nothing found is good.
#[must_use]
pub fn worst(rows: &[DoctorRow]) -> Health {
    rows.iter().map(|row| row.ok).max().unwrap_or(Health::Good)
}

/// Renders what was found, a block for each host, each mend on lines of its own to be pasted. Of more than a few hosts
/// only what isn't as it should be, once for all of which it is found, unless `all` is asked for.
#[must_use]
pub fn render_doctor(rows: &[DoctorRow], marks: Marks, all: bool, colour: bool) -> String {
    let palette = Palette::new(colour);
    let (blocks, good) = match fold::each(rows) {
        each if all || each.len() <= FEW => (each, 0),
        _ => fold::alike(rows),
    };
    let cells: Vec<_> = blocks
        .iter()
        .flat_map(|block| &block.rows)
        .map(|row| [painted(row.ok, marks.of(row.ok), palette), one_line(&row.item), one_line(&row.found)])
        .collect();
    let mut lines = aligned(&cells).into_iter();
    let mut out = String::new();
    for block in &blocks {
        out.push_str(&format!("{}\n", palette.heading(&one_line(&block.head()))));
        for (row, line) in block.rows.iter().zip(&mut lines) {
            out.push_str(&format!("  {line}\n"));
            for mend in row.mend.lines().filter(|line| !line.trim().is_empty()) {
                out.push_str(&format!("      {}\n", cut(&visible(mend))));
            }
        }
    }
    if good > 0 {
        out.push_str(&format!("{}: nothing is wrong\n", count(good, "host")));
    }
    out.push_str(&totals(rows));
    out
}

/// Renders what was found as one line of JSON: `{"v":1,"worst":"warn","items":[...]}`.
///
/// # Errors
/// Never for these types; the signature is `serde_json`'s.
pub fn doctor_json(rows: &[DoctorRow]) -> io::Result<String> {
    #[derive(Serialize)]
    struct Examination<'a> {
        v: u32,
        worst: Health,
        items: &'a [DoctorRow],
    }
    to_json(&Examination { v: VERSION, worst: worst(rows), items: rows })
}

fn painted(health: Health, text: &str, palette: Palette) -> String {
    match health {
        Health::Good => palette.good(text),
        Health::Warn => palette.notable(text),
        Health::Bad => palette.bad(text),
    }
}

fn totals(rows: &[DoctorRow]) -> String {
    let number = |health| rows.iter().filter(|row| row.ok == health).count();
    format!(
        "{} good, {} to look at, {} bad\n",
        grouped(number(Health::Good)),
        grouped(number(Health::Warn)),
        grouped(number(Health::Bad))
    )
}
