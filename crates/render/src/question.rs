//! What a person is asked, and told, while ready hosts wait for a word.

use crate::names::joined;
use crate::quantity::{count, limit};
use std::time::Duration;

/// How many hosts are named.
const MOST_NAMES: usize = 20;

/// Above this many hosts the count is typed instead of `yes`.
pub const COUNT_IS_TYPED: usize = 20;

/// Returns the word that keeps the change on so many hosts.
#[must_use]
pub fn word_that_keeps(hosts: usize) -> String {
    if hosts > COUNT_IS_TYPED { hosts.to_string() } else { "yes".to_owned() }
}

/// Returns who is asked about: a line before the countdown.
#[must_use]
pub fn question_head(hosts: &[&str]) -> String {
    format!("all checks have passed on {}: {}", count(hosts.len(), "host"), joined(hosts, MOST_NAMES))
}

/// Returns the line that counts down.
#[must_use]
pub fn countdown(hosts: usize, left: Duration) -> String {
    let guards = if hosts == 1 { "the guard undoes" } else { "the first guard undoes" };
    format!("{guards} in {}", limit(Duration::from_secs(left.as_secs())))
}

/// Returns the question itself; the answer is typed behind it.
#[must_use]
pub fn question_line(hosts: usize) -> String {
    let what = if hosts == 1 { "the change" } else { "the changes" };
    format!("Keep {what}? Type {} to keep, no to undo now: ", word_that_keeps(hosts))
}

/// Returns how hosts that wait are decided about from elsewhere. `options` is what `deploy` needs to find the record.
#[must_use]
pub fn from_elsewhere(hosts: &[&str], left: Duration, run: &str, record: &str, options: &str) -> String {
    let options = if options.is_empty() { String::new() } else { format!(" {options}") };
    let wait = if hosts.len() == 1 { "waits" } else { "wait" };
    format!(
        "{} {wait} for a person; {} unless confirmed\n\
         \x20 keep    deploy confirm {run}{options}\n\
         \x20 longer  deploy extend {run} --by 10m{options}\n\
         \x20 undo    deploy rollback {run}{options}\n\
         \x20 On another machine: the same with --record FILE, a copy of {record}",
        joined(hosts, MOST_NAMES),
        countdown(hosts.len(), left),
    )
}

/// Returns how a host with red checks is decided about from elsewhere: to keep it, each must be named.
#[must_use]
pub fn red_from_elsewhere(
    (host, red): (&str, &[String]),
    left: Duration,
    run: &str,
    record: &str,
    options: &str,
) -> String {
    let options = if options.is_empty() { String::new() } else { format!(" {options}") };
    let named: String = red.iter().map(|name| format!(" --despite {}", in_shell(name))).collect();
    format!(
        "{host} waits for a person: {} {}; {} unless confirmed\n\
         \x20 keep    deploy confirm {run} --limit {host}{named}{options}\n\
         \x20 longer  deploy extend {run} --limit {host} --by 10m{options}\n\
         \x20 undo    deploy rollback {run} --limit {host}{options}\n\
         \x20 On another machine: the same with --record FILE, a copy of {record}",
        red.join(", "),
        if red.len() == 1 { "is RED" } else { "are RED" },
        countdown(1, left),
    )
}

/// Returns a word as a shell reads it back, quoted only where it must be.
#[must_use]
pub fn in_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=@:+,".contains(c);
    if word.chars().all(plain) && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_its_hosts_and_counts_above_twenty() {
        assert_eq!(question_head(&["a", "b"]), "all checks have passed on 2 hosts: a, b");
        assert_eq!(question_line(2), "Keep the changes? Type yes to keep, no to undo now: ");
        assert_eq!(question_line(21), "Keep the changes? Type 21 to keep, no to undo now: ");
        assert_eq!(countdown(1, Duration::from_millis(61_900)), "the guard undoes in 1m 1s");
    }

    #[test]
    fn red_checks_are_named_in_the_command_that_keeps_the_host() {
        let red = ["healthz".to_owned(), "it's up".to_owned()];
        let text = red_from_elsewhere(("a", &red), Duration::from_secs(58), "01RUN", "/s/01RUN.jsonl", "");
        assert!(
            text.starts_with("a waits for a person: healthz, it's up are RED; the guard undoes in 58s"),
            "{text}"
        );
        let keep = "\n  keep    deploy confirm 01RUN --limit a --despite healthz --despite 'it'\\''s up'\n";
        assert!(text.contains(keep), "{text}");
    }

    #[test]
    fn the_commands_from_elsewhere_can_be_pasted() {
        let text =
            from_elsewhere(&["a"], Duration::from_secs(58), "01RUN", "/s/01RUN.jsonl", "--state-dir /s");
        assert!(
            text.starts_with("a waits for a person; the guard undoes in 58s unless confirmed\n"),
            "{text}"
        );
        assert!(text.contains("\n  keep    deploy confirm 01RUN --state-dir /s\n"), "{text}");
    }
}
