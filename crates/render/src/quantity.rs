//! Durations and sizes as people read them.

use jiff::fmt::friendly::SpanPrinter;
use std::time::Duration;

/// Formats a time limit in whole seconds, exactly: `45s`, `5m`, `1m 23s`.
#[must_use]
pub fn limit(duration: Duration) -> String {
    SpanPrinter::new().unsigned_duration_to_string(&Duration::from_secs(duration.as_secs()))
}

/// Formats how long something took: `340 ms`, `12.3 s`, `2m 5s`.
#[must_use]
pub fn elapsed(duration: Duration) -> String {
    match duration.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        // Tenths are cut, not rounded, so that 59.99 s doesn't read as 60.0 s.
        ms @ 1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => limit(duration),
    }
}

/// Formats how long ago something was, in its largest unit: `40s`, `3m`, `5h`, `2d`.
#[must_use]
pub fn age(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{}m", secs / 60),
        3_600..86_400 => format!("{}h", secs / 3_600),
        _ => format!("{}d", secs / 86_400),
    }
}

/// Formats a size in decimal units: `512 B`, `1.2 kB`, `13 kB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut tenths = count.saturating_add(50) / 100;
    let mut units = ["kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut unit = units.next().unwrap_or("kB");
    while tenths >= 10_000 {
        tenths = (tenths + 500) / 1_000;
        unit = units.next().unwrap_or(unit);
    }
    if tenths < 100 && !tenths.is_multiple_of(10) {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", (tenths + 5) / 10)
    }
}

/// Formats a count with its noun: `1 host`, `3 hosts`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// Formats a count with its thousands apart: `3,000`.
pub(crate) fn grouped(number: usize) -> String {
    indicatif::HumanCount(number as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_exact() {
        let text = |secs| limit(Duration::from_secs(secs));
        assert_eq!(
            [text(0), text(45), text(300), text(83), text(3_900)],
            ["0s", "45s", "5m", "1m 23s", "1h 5m"]
        );
    }

    #[test]
    fn elapsed_never_rounds_up_into_the_next_unit() {
        let text = |ms| elapsed(Duration::from_millis(ms));
        assert_eq!([text(0), text(999), text(1_000), text(12_345)], ["0 ms", "999 ms", "1.0 s", "12.3 s"]);
        assert_eq!([text(59_999), text(60_000), text(125_400)], ["59.9 s", "1m", "2m 5s"]);
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        assert_eq!([age(59), age(60), age(7_199), age(200_000)], ["59s", "1m", "1h", "2d"]);
    }

    #[test]
    fn sizes_keep_a_tenth_only_where_it_matters() {
        assert_eq!([bytes(0), bytes(999), bytes(1_000), bytes(1_249)], ["0 B", "999 B", "1 kB", "1.2 kB"]);
        assert_eq!([bytes(12_400), bytes(999_999), bytes(5_500_000)], ["12 kB", "1 MB", "5.5 MB"]);
        assert_eq!(bytes(u64::MAX), "18 EB");
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(
            [count(1, "host"), count(0, "host"), count(3_000, "host")],
            ["1 host", "0 hosts", "3,000 hosts"]
        );
    }
}
