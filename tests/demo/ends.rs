//! The ways a demo ends.

use crate::leftovers::{assert_nothing_left_of, folder_in};
use crate::player::{alone, demo, is_root, ordinary_demo};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The longest that it may take.
const LONGEST: Duration = Duration::from_secs(30);

/// What a guard of the second act says when its host is locked.
const LOCKED: &str = "the guard undoes in 6s";

fn assert_went_as_promised(output: &Output) {
    let told = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}\n{complained}");
    for word in
        ["3 confirmed", "1 unchanged, 2 rolled_back", "takes none of our keys", "refused the connection"]
    {
        assert!(told.contains(word), "{word} is missing in:\n{told}");
    }
    assert!(told.contains("Here the guard is volatile"), "{told}");
    assert!(told.ends_with("All of it went as promised.\n"), "{told}");
    assert_eq!(complained, "");
    assert_nothing_left_of(&folder_in(&told));
}

#[test]
fn it_goes_as_promised_in_half_a_minute_and_leaves_nothing() {
    let _alone = alone();
    let (began, before) = (Instant::now(), what_the_machine_has());
    assert_went_as_promised(&demo().output().unwrap());
    assert!(began.elapsed() < LONGEST, "it took {:?}", began.elapsed());
    assert_eq!(what_the_machine_has(), before, "the machine was touched");
}

#[test]
fn an_ordinary_user_can_play_it() {
    let _alone = alone();
    let home = tempfile::Builder::new().prefix("player-").tempdir_in("/tmp").unwrap();
    let output = ordinary_demo(&home).output().unwrap();
    assert_went_as_promised(&output);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(!is_root() || told.contains("authorized_keys/player"), "it was somebody else:\n{told}");
}

#[test]
fn ctrl_c_while_hosts_are_locked_leaves_nothing() {
    let _alone = alone();
    let (mut child, folder) = play_until(LOCKED);
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_nothing_left_of(&folder);
}

#[test]
fn a_demo_that_is_killed_leaves_nothing() {
    let _alone = alone();
    let (mut child, folder) = play_until(LOCKED);
    signal(&child, "-KILL");
    assert_eq!(child.wait().unwrap().code(), None);
    assert_nothing_left_of(&folder);
}

#[test]
fn what_shall_be_kept_is_kept_without_its_processes() {
    let _alone = alone();
    let (mut child, folder) = play_until_with(&["--keep"], "example: 3 hosts change");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(folder.join("fleet.toml").exists(), "{} is gone", folder.display());
    fs::remove_dir_all(&folder).unwrap();
    assert_nothing_left_of(&folder);
}

fn play_until(line: &str) -> (Child, PathBuf) {
    play_until_with(&[], line)
}

/// Starts a demo and waits until it says something. The rest of its output is read by a thread that ends with it.
fn play_until_with(arguments: &[&str], awaited: &str) -> (Child, PathBuf) {
    let mut child = demo().args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    while !told.contains(awaited) {
        assert_ne!(output.read_line(&mut told).unwrap(), 0, "it ended without saying {awaited}:\n{told}");
    }
    std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    (child, folder_in(&told))
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Where a deploy to this very machine would have left something.
fn what_the_machine_has() -> Vec<String> {
    let mut found = Vec::new();
    for place in ["/var/lib/snapback", "/etc/snapback", "/etc/systemd/system", "/run/systemd/transient"] {
        let entries = fs::read_dir(Path::new(place)).into_iter().flatten().flatten();
        found.extend(
            entries.map(|entry| entry.path().display().to_string()).filter(|p| p.contains("snapback")),
        );
    }
    found.sort();
    found
}
