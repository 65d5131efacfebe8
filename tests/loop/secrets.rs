//! The token of a run: where it is, and where it never comes to be.

use crate::stage::{HOLD, MOTD, Stage};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

fn holds(text: &[u8], token: &str) -> bool {
    text.windows(token.len()).any(|window| window == token.as_bytes())
}

/// What any process of this machine had as arguments or environment while `end` wasn't set.
fn watch(end: &AtomicBool) -> HashSet<Vec<u8>> {
    let mut seen = HashSet::new();
    while !end.load(Ordering::Relaxed) {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with(|c: char| c.is_ascii_digit()) {
                for what in ["cmdline", "environ"] {
                    // An error means that it has ended, or is another's.
                    seen.extend(fs::read(entry.path().join(what)));
                }
            }
        }
    }
    seen
}

#[test]
fn a_token_is_in_the_runs_record_and_in_no_argument_environment_log_or_file_of_a_target() {
    let stage = Stage::of(&["web1.test", "web2.test"]);
    stage.fleet_within(30, &format!("{MOTD}{}", HOLD.replace("\"3s\"", "\"25s\"")));
    let end = AtomicBool::new(false);
    let (ended, seen) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&end));
        let mut running = stage.change().args(["-v", "--output", "json"]).start();
        let is_ready = |host: &crate::stage::Host| host.journals().contains("\nready ");
        running.await_that("both are ready", || stage.hosts.iter().all(is_ready));
        stage.let_go();
        let ended = running.end().must_exit(0);
        end.store(true, Ordering::Relaxed);
        (ended, watching.join().unwrap())
    });
    let record = stage.record();
    let tokens: Vec<_> = record.iter().map(|host| host["token"].as_str().unwrap()).collect();
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0], tokens[1], "each host has one of its own");
    // Else nothing was seen, and the test shows nothing.
    let of_ours = |text: &Vec<u8>| holds(text, "confirm") && holds(text, "@snapback");
    assert!(seen.iter().any(of_ours), "the confirmation was never seen: {} texts", seen.len());
    for token in tokens {
        assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
        for text in &seen {
            assert!(!holds(text, token), "{}", String::from_utf8_lossy(text));
        }
        assert!(!holds(ended.out.as_bytes(), token) && !holds(ended.err.as_bytes(), token), "{ended}");
        let mut kept = Vec::new();
        for file in files(stage.dir()) {
            if fs::read(&file).is_ok_and(|text| holds(&text, token)) {
                kept.push(file.strip_prefix(stage.dir()).unwrap().to_owned());
            }
        }
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(kept[0].starts_with("state/snapback/runs"), "{kept:?}");
    }
}
