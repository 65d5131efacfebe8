//! Processes are what a transaction costs on the target, so they are counted.

use crate::job::{Files, Work, check};
use crate::target::{Target, finish};
use snapback_agent::call::{Sent, command_line};
use snapback_core::way::Become;
use std::fs;
use std::path::Path;
use std::process::Command;

/// From the first byte of `begin` to the last process of the guard: each `execve`, and each fork without one. The
/// `sleep`s come on top: how many there are depends on how long a sync takes.
const BUDGET: usize = 66;

#[test]
fn forty_files_a_handler_and_a_check_stay_within_the_budget() {
    let Some(all) = count(40) else { return };
    assert!(all.len() <= BUDGET, "{} starts:\n{all:#?}", all.len());
}

/// Begins a change of so many files, confirms it, and returns what was started but for the sleeps.
fn count(n: usize) -> Option<Vec<String>> {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("not counted: there is no strace here");
        return None;
    }
    let t = &Target::new("dash");
    let mut files = Files::new();
    for i in 0..n {
        let name = format!("etc/shop/part{:02}/file{i:04}", i / if n > 100 { 100 } else { 20 });
        t.write(&name, "old");
        files = files.file(t.dest(&name), format!("new {i}"), 0o644);
    }
    // Built into the shell: what the user's own commands start isn't ours.
    let work = Work::new().files(files.handler(":")).check(check("true", ":")).window(60).apply_timeout(60);
    let connection = t.connect();
    let (inspected, _) = connection.inspect(&work);
    let (begun, payload) = crate::target::Begun::plan(t, &work, &inspected);
    let traced = |verb: &[&str], sent, stdin: &[u8], log: &str| {
        let line = command_line(Become::None, "n", sent, verb);
        let log = t.path().join(log);
        let trace = "strace -ff --seccomp-bpf -qq -e trace=execve,clone,fork,vfork -e signal=none -o";
        let connection = t.connect();
        let job =
            connection.start_line(&format!("{trace} {} sh -c \"$(cat {0}.line)\"", log.display()), stdin);
        fs::write(format!("{}.line", log.display()), line).unwrap();
        (connection, job, log)
    };
    fs::create_dir(t.path().join("logs")).unwrap();
    let (_first, _, begin_log) = traced(&["begin", &begun.tx], Sent::Payload, &payload, "logs/begin");
    for _ in 0..1000 {
        // Traced, and on a busy machine, this takes its time.
        if t.tx(&begun.tx, "ready").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let token = format!("{}\n", begun.token);
    let verb: &[&str] = &["confirm", &begun.tx, &begun.digest];
    let (_second, job, end_log) = traced(verb, Sent::Plain, token.as_bytes(), "logs/end");
    finish(&job);
    t.settle();
    let (began, ended) = (starts(&begin_log), starts(&end_log));
    Some(began.into_iter().chain(ended).filter(|s| !s.contains("/sleep\"")).collect())
}

/// What was started: the program of each successful `execve`, and a word for each process that never had one. Each
/// process has a log of its own.
fn starts(log: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let name = format!("{}.", log.file_name().unwrap().to_str().unwrap());
    for entry in fs::read_dir(log.parent().unwrap()).unwrap().flatten() {
        if !entry.file_name().to_str().unwrap().starts_with(&name)
            || entry.path().extension().unwrap() == "line"
        {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let programs: Vec<_> = text
            .lines()
            .filter(|l| l.starts_with("execve(") && l.ends_with("= 0"))
            .map(|l| l.split("], 0x").next().unwrap().chars().take(110).collect())
            .collect();
        found.extend(if programs.is_empty() { vec!["a fork".to_owned()] } else { programs });
    }
    found.sort_unstable();
    found
}
