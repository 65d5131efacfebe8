//! Fleet files that nobody would write: whatever stands in one, it is loaded or refused, without a panic, and what is
//! told of it can't drive a terminal.
//!
//! Inputs are the fixtures, broken by a seed: `cargo xtask fuzz --count N --seed S`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that can't go on shall stop, and tells what it did"
)]

use snapback_core::event::visible;
use snapback_fleet::{Fleet, LoadRequest, load};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// What is put in somewhere.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]]",
    "{ ",
    " }",
    "=",
    ",",
    "\n",
    "#",
    "\\",
    "\\u001b",
    "\\u009b",
    "\\u202e",
    "\\u0000",
    "\x1b[2J",
    "\u{9b}",
    "\u{202e}",
    "\0",
    "\r",
    "\u{feff}",
    "ü",
    "{{ ",
    " }}",
    "{{ root }}",
    "{% for a in b %}",
    "[1-3]",
    "[1-999999999]",
    "[9-1]",
    "*",
    "!",
    "&&",
    "||",
    "(",
    "tag:",
    "group:",
    "$(id)",
    "`id`",
    ";",
    "-o",
    "..",
    "99999999999999999999",
    "-1",
    "0",
    "1e999",
    "nan",
    "true",
    "%",
    "101%",
    "1970-01-01",
    "s",
    "999999999999h",
    "[hosts.\"a\"]\n",
    "[[changes]]\n",
    "[[changes.files]]\n",
    "[[checks]]\n",
    "[rollout]\n",
    "[confirm]\n",
    "[secrets]\n",
    "[defaults]\n",
    "include = [\"fleet.toml\"]\n",
    "x-a = 1\n",
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Every fleet file of the fixtures.
fn fixtures(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(fixtures(&path));
        } else if path.extension().is_some_and(|e| e == "toml") {
            found.extend(fs::read_to_string(&path));
        }
    }
    found
}

/// Breaks a text in some places.
fn broken(random: &mut fastrand::Rng, texts: &[String]) -> Vec<u8> {
    let mut bytes = random.choice(texts).unwrap().clone().into_bytes();
    for _ in 0..random.usize(..6) {
        let at = random.usize(..=bytes.len());
        match random.u8(..8) {
            0..=3 => drop(bytes.splice(at..at, random.choice(PIECES).unwrap().bytes())),
            4 => bytes.insert(at, random.u8(..)),
            5 if at < bytes.len() => bytes[at] = random.u8(..),
            6 => bytes.truncate(at.max(bytes.len() / 2)),
            _ => {
                let other = random.choice(texts).unwrap();
                let line = other.lines().nth(random.usize(..20)).unwrap_or_default();
                let start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
                drop(bytes.splice(start..start, line.bytes().chain(*b"\n")));
            }
        }
    }
    bytes
}

fn is_harmless(text: &str) -> bool {
    text.split('\n').all(|line| visible(line) == line)
}

/// Names go to terminals, and hosts to ssh.
fn check(fleet: &Fleet) {
    for job in &fleet.jobs {
        let name = job.host.as_str();
        assert!(!name.starts_with('-') && !name.contains([' ', ';', '$', '\'', '"', '`', '\n']), "{name:?}");
        for change in &job.changes {
            assert!(!change.name.chars().any(char::is_control), "{:?}", change.name);
        }
        for check in &job.checks {
            assert!(!check.name.chars().any(char::is_control), "{:?}", check.name);
        }
    }
}

#[test]
fn whatever_stands_in_a_fleet_file_is_loaded_or_refused_without_a_panic_and_harmless() {
    let (count, seed) = (number("SNAPBACK_FUZZ", 2_000), number("SNAPBACK_FUZZ_SEED", 1));
    let texts = fixtures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/fleets"));
    // Deep, so that `..` leads to nothing of this machine.
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b/c");
    fs::create_dir_all(folder.join("config")).unwrap();
    fs::write(folder.join("config/a.conf.j2"), "{{ root }} {{ nothing }}").unwrap();
    let path = folder.join("fleet.toml");
    // A file that is opened for each input waits for the disk each time.
    let file = fs::File::create(&path).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut good, mut size) = (0_u64, 0);
    let begun = Instant::now();
    for n in 0..count {
        let bytes = broken(&mut random, &texts);
        size += bytes.len();
        file.write_all_at(&bytes, 0).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        match load(&path, &LoadRequest::default()) {
            Ok(fleet) => {
                good += 1;
                check(&fleet);
            }
            Err(problems) => {
                let told = problems.to_string();
                let text = String::from_utf8_lossy(&bytes);
                assert!(is_harmless(&told), "seed {seed}, input {n}: {told:?}\n{text}");
            }
        }
    }
    let took = begun.elapsed().as_secs_f64();
    assert!(good > count / 100, "hardly any input is loaded: {good} of {count}");
    eprintln!("fuzz: fleet: {count} inputs, {size} bytes, {good} loaded, {took:.1} s, seed {seed}, no panic");
}
