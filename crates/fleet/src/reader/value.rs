//! One value, read as the type that its key asks for.

use super::table::in_file_order;
use super::{Reading, Table};
use crate::keys::Keys;
use crate::nearest::{did_you_mean, one_of};
use crate::place::{At, Place};
use crate::problem::Problem;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of `vars`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VarValue {
    /// A string.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
}

impl VarValue {
    /// Returns the text that a command gets.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

/// A value of the text, with the name of its key for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    reading: Reading<'a>,
    key: &'a str,
    item: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    /// Returns the value of a key.
    pub(crate) fn new(reading: Reading<'a>, key: &'a str, item: &'a Spanned<DeValue<'a>>) -> Self {
        Self { reading, key, item }
    }

    /// Returns the text that it stands in, and where its problems go.
    pub(crate) fn reading(&self) -> Reading<'a> {
        self.reading
    }

    /// Returns where it was written.
    pub(crate) fn place(&self) -> Place {
        self.reading.place(self.item.span())
    }

    /// Takes down what is wrong with it.
    pub(crate) fn complain(&self, message: impl Into<String>, hint: Option<String>) {
        self.reading.complain(Problem::at(&self.place(), message).maybe_hint(hint));
    }

    /// Returns the value itself.
    pub(crate) fn item(&self) -> &'a DeValue<'a> {
        self.item.get_ref()
    }

    fn mistyped<T>(&self, wanted: &str, hint: Option<String>) -> Option<T> {
        let is = match self.item() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.complain(format!("`{}` must be {wanted}, and this is {is}", self.key), hint);
        None
    }

    /// Reads a string.
    pub(crate) fn text(&self) -> Option<At<String>> {
        match self.item() {
            DeValue::String(text) => Some(At { value: text.to_string(), place: self.place() }),
            DeValue::Integer(number) => self.mistyped("a string", Some(format!("write \"{number}\""))),
            _ => self.mistyped("a string", None),
        }
    }

    /// Reads `true` or `false`.
    pub(crate) fn flag(&self) -> Option<At<bool>> {
        match self.item() {
            DeValue::Boolean(flag) => Some(At { value: *flag, place: self.place() }),
            _ => self.mistyped("true or false", None),
        }
    }

    /// Reads a whole number that is at least `least` and fits the type.
    pub(crate) fn number<T: TryFrom<i64> + PartialOrd + std::fmt::Display>(&self, least: T) -> Option<T> {
        let DeValue::Integer(number) = self.item() else {
            let hint = match self.item() {
                DeValue::String(text) if text.parse::<i64>().is_ok() => {
                    Some(format!("write {text}, without quotes"))
                }
                _ => None,
            };
            return self.mistyped("a whole number", hint);
        };
        let parsed =
            i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|n| T::try_from(n).ok());
        match parsed {
            Some(parsed) if parsed >= least => Some(parsed),
            _ => {
                self.complain(
                    format!("`{}` can't be {number}", self.key),
                    Some(format!("it is {least} or more")),
                );
                None
            }
        }
    }

    /// Reads a percentage between quotes, from 0 to 100.
    pub(crate) fn percent(&self) -> Option<u8> {
        let text = self.text()?;
        let Some(number) = text.value.strip_suffix('%').and_then(|n| n.trim_end().parse::<u64>().ok()) else {
            let hint = match text.value.parse::<i64>() {
                Ok(number) => format!("write {number}, without quotes, or \"{number}%\""),
                Err(_) => "write a number of hosts, like 5, or a percentage, like \"25%\"".to_owned(),
            };
            self.complain(format!("{:?} is no part of the hosts", text.value), Some(hint));
            return None;
        };
        let percent = u8::try_from(number).ok().filter(|percent| *percent <= 100);
        if percent.is_none() {
            self.complain(
                format!("`{}` can't be {number} %", self.key),
                Some("100% are all hosts".to_owned()),
            );
        }
        percent
    }

    /// Reads a port.
    pub(crate) fn port(&self) -> Option<u16> {
        let DeValue::Integer(number) = self.item() else { return self.number::<u16>(1) };
        let port = number.as_str().parse().ok().filter(|port| *port > 0);
        if port.is_none() {
            self.complain(
                format!("`{}` can't be {number}", self.key),
                Some("it is from 1 to 65535".to_owned()),
            );
        }
        port
    }

    /// Reads a duration with a unit; zero only where it means something.
    pub(crate) fn duration(&self, zero_is_fine: bool) -> Option<At<Duration>> {
        let text = match self.item() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => {
                return self.mistyped("a duration with a unit", Some(format!("did you mean \"{number}s\"?")));
            }
            _ => return self.mistyped("a duration with a unit, like \"90s\"", None),
        };
        match parse_duration(&text) {
            Ok(duration) if duration.is_zero() && !zero_is_fine => {
                self.complain(format!("`{}` can't be zero", self.key), None);
                None
            }
            Ok(duration) => Some(At { value: duration, place: self.place() }),
            Err(hint) => {
                self.complain(format!("{text:?} is no duration"), Some(hint));
                None
            }
        }
    }

    /// Reads permission bits, written in octal between quotes.
    pub(crate) fn mode(&self) -> Option<u32> {
        let text = match self.item() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => {
                let digits = number.as_str();
                let digits = if digits.len() == 3 { format!("0{digits}") } else { digits.to_owned() };
                return self.mistyped("octal digits between quotes", Some(format!("write \"{digits}\"")));
            }
            _ => return self.mistyped("octal digits between quotes, like \"0640\"", None),
        };
        let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if octal => Some(mode),
            _ => {
                let hint = "three or four octal digits (0 to 7), like \"0640\"";
                self.complain(format!("{text:?} is no mode"), Some(hint.to_owned()));
                None
            }
        }
    }

    /// Reads one of a few words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*meaning);
        }
        let all = || words.iter().map(|(word, _)| *word);
        let hint = did_you_mean(&text.value, all()).unwrap_or_else(|| format!("it is {}", one_of(all())));
        self.complain(format!("`{}` can't be {:?}", self.key, text.value), Some(hint));
        None
    }

    /// Reads a list; its items keep the name of the key.
    pub(crate) fn list(&self) -> Vec<Value<'a>> {
        match self.item() {
            DeValue::Array(items) => items.iter().map(|item| Value { item, ..*self }).collect(),
            DeValue::String(_) => {
                let hint = Some(format!("write [{}]", self.place().written()));
                self.mistyped("a list", hint).unwrap_or_default()
            }
            _ => self.mistyped("a list", None).unwrap_or_default(),
        }
    }

    /// Reads a list of strings.
    pub(crate) fn texts(&self) -> Vec<At<String>> {
        self.list().iter().filter_map(Value::text).collect()
    }

    /// Reads a list of strings, or one string.
    pub(crate) fn text_or_texts(&self) -> Vec<At<String>> {
        match self.item() {
            DeValue::String(_) => self.text().into_iter().collect(),
            _ => self.texts(),
        }
    }

    /// Reads a string, a whole number or a flag.
    pub(crate) fn var(&self) -> Option<VarValue> {
        match self.item() {
            DeValue::String(text) => Some(VarValue::Text(text.to_string())),
            DeValue::Boolean(flag) => Some(VarValue::Flag(*flag)),
            DeValue::Integer(_) => self.number(i64::MIN).map(VarValue::Number),
            _ => self.mistyped("a string, a whole number, true or false", None),
        }
    }

    /// Reads a table with any keys, in the order of the text.
    pub(crate) fn entries(&self) -> Vec<(At<&'a str>, Value<'a>)> {
        let Some(table) = self.raw_table() else { return Vec::new() };
        let reading = self.reading;
        in_file_order(table)
            .into_iter()
            .map(|(key, item)| {
                let name = At { value: key.get_ref().as_ref(), place: reading.place(key.span()) };
                (name, Value { reading, key: key.get_ref(), item })
            })
            .collect()
    }

    /// Reads a table with known keys.
    pub(crate) fn table(&self, keys: &'static Keys) -> Option<Table<'a>> {
        Some(Table::open(self.reading, self.raw_table()?, self.place(), keys))
    }

    /// Reads a table as it is.
    pub(crate) fn raw_table(&self) -> Option<&'a DeTable<'a>> {
        match self.item() {
            DeValue::Table(table) => Some(table),
            _ => self.mistyped("a table", None),
        }
    }
}

/// Returns a duration as it would be written in the file.
pub(crate) fn written(duration: Duration) -> String {
    jiff::SignedDuration::try_from(duration).map_or_else(|_| format!("{duration:?}"), |d| format!("{d:#}"))
}

/// Parses a duration with a unit, as fleet files have it.
///
/// # Errors
/// What to do about it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("it needs a unit: did you mean \"{digits}s\"?"));
    }
    let hint = || "write a number and a unit: \"500ms\", \"90s\", \"5m\", \"1h 30m\"".to_owned();
    // ISO 8601 (`PT5M`) would be understood too; one way to write a thing is enough.
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(hint());
    }
    let parsed: jiff::SignedDuration = digits.parse().map_err(|_| hint())?;
    Duration::try_from(parsed).map_err(|_| hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_as_they_are_written() {
        for text in ["500ms", "3s", "1m 30s", "20m", "1h 5m"] {
            assert_eq!(written(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("90"), Err("it needs a unit: did you mean \"90s\"?".to_owned()));
        for bad in ["", "s", "-5s", "PT5M", "5 parsecs", "1d", "5s ago", "99999999999999999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was taken");
        }
    }
}
