//! A run as JSON lines, for programs.

use crate::subscriber::Subscriber;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter};
use snapback_core::event::{Event, EventKind, visible};
use std::io::{self, Write};

/// Writes each event as one line of JSON and flushes it; the last is `run_finished`.
pub struct Json {
    out: Box<dyn Write + Send>,
    order: Vec<String>,
}

impl Json {
    /// Returns a subscriber that writes JSON lines to `out`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, order: Vec::new() }
    }
}

impl Subscriber for Json {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        if let EventKind::RunStarted { hosts, .. } = &event.kind {
            self.order = hosts.iter().map(ToString::to_string).collect();
        }
        let mut value = serde_json::to_value(event)?;
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            in_file_order(&mut value, &self.order);
        }
        self.out.write_all(to_json(&value)?.as_bytes())?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns compact JSON in which nothing can drive a terminal, should one be at the other end.
pub(crate) fn to_json(value: &impl Serialize) -> io::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Harmless(CompactFormatter)))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn in_file_order(event: &mut Value, order: &[String]) {
    let Some(Value::Object(hosts)) = event.get_mut("hosts") else { return };
    let mut sorted = std::mem::take(hosts);
    for name in order {
        if let Some((name, result)) = sorted.shift_remove_entry(name) {
            hosts.insert(name, result);
        }
    }
    hosts.append(&mut sorted);
}

/// Writes as `\u....` what [`visible`] would change: the text stays what it was for whoever parses it.
struct Harmless(CompactFormatter);

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_harmful(*c)) {
            self.0.write_string_fragment(writer, &fragment[plain_from..at])?;
            write!(writer, "\\u{:04x}", c as u32)?;
            plain_from = at + c.len_utf8();
        }
        self.0.write_string_fragment(writer, &fragment[plain_from..])
    }
}

fn is_harmful(c: char) -> bool {
    // Most characters are ASCII, for which asking `visible` would cost a string each.
    let plain = (' '..='~').contains(&c);
    !plain && visible(c.encode_utf8(&mut [0; 4])) != c.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_escaped_and_reads_back_the_same() {
        let text = "a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}größe ✓\t\"";
        let json = to_json(&text).unwrap();
        assert_eq!(json, r#""a\u001b[2J\u009b2J\u007f\u202egröße ✓\t\"""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
