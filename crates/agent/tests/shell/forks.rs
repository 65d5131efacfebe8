//! Processes are what a transaction costs on the target, so they are counted.

use crate::job::{Files, Work, check};
use crate::target::{Target, bytes, finish_within};
use snapback_agent::call::{Sent, command_line};
use snapback_agent::payload::for_inspect_and_lease;
use snapback_core::way::Become;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// From the first byte of `begin` to the last process of the guard: each `execve`, and each fork without one. The
/// `sleep`s come on top: how many there are depends on how long a sync takes.
const BUDGET: usize = 66;

#[test]
fn forty_files_a_handler_and_a_check_stay_within_the_budget() {
    // On a busy machine the supervisor may look just when a confirmation does, and both try to be the one: what a
    // transaction takes is the least of what was seen.
    let mut least: Option<Vec<String>> = None;
    for _ in 0..3 {
        let Some(all) = count(40, "confirm") else { return };
        if least.as_ref().is_none_or(|l| all.len() < l.len()) {
            least = Some(all);
        }
        if least.as_ref().is_some_and(|l| l.len() <= BUDGET) {
            return;
        }
    }
    panic!("{} starts:\n{least:#?}", least.as_ref().map_or(0, Vec::len));
}

/// How many files the test below takes: enough to tell a process for each, and few enough for every run.
fn size() -> usize {
    std::env::var("SNAPBACK_SCALE").ok().and_then(|n| n.parse().ok()).unwrap_or(600)
}

#[test]
fn thousands_of_files_cost_a_process_for_each_hundred() {
    for end in ["confirm", "rollback"] {
        let Some(all) = count(size(), end) else { return };
        assert!(all.len() <= 3 * BUDGET + size() / 100 * 20, "{end}: {} starts", all.len());
    }
}

/// Begins a change of so many files, confirms it or rolls it back, and returns what was started but for the sleeps.
fn count(n: usize, end: &str) -> Option<Vec<String>> {
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
    let limit = if n > 100 { 600 } else { 60 };
    let work = Work::new()
        .files(files.handler(":"))
        .check(check("true", ":"))
        .window(limit)
        .apply_timeout(limit)
        .hard_cap(2 * limit);
    let connection = t.connect();
    let before = Instant::now();
    let (inspected, _) = connection.inspect(&work);
    tell("inspect", before);
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
    let before = Instant::now();
    let (_first, _, begin_log) = traced(&["begin", &begun.tx], Sent::Payload, &payload, "logs/begin");
    for _ in 0..6000 {
        // Traced, and on a busy machine, this takes its time.
        if t.tx(&begun.tx, "ready").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let token = format!("{}\n", begun.token);
    assert!(t.tx(&begun.tx, "ready").exists(), "it never became ready");
    tell("begin and apply", before);
    let before = Instant::now();
    let verb: &[&str] =
        if end == "confirm" { &["confirm", &begun.tx, &begun.digest] } else { &["rollback", &begun.tx] };
    let (_second, job, end_log) = traced(verb, Sent::Plain, token.as_bytes(), "logs/end");
    finish_within(&job, PATIENCE);
    tell(end, before);
    t.settle();
    assert_eq!(
        t.read("etc/shop/part00/file0000").as_deref(),
        Some(if end == "confirm" { "new 0" } else { "old" })
    );
    let (began, ended) = (starts(&begin_log), starts(&end_log));
    Some(began.into_iter().chain(ended).filter(|s| !s.contains("/sleep\"")).collect())
}

/// How many processes a look takes, with the lease for so long or without.
fn looks(lease: Duration) -> Option<usize> {
    Command::new("strace").arg("-V").output().ok()?;
    let t = &Target::new("dash");
    t.write("a", "old");
    let work = Work::new().files(Files::new().file(t.dest("a"), "new", 0o644));
    // The agent and the folder are there from an earlier run.
    t.inspect(&work);
    fs::create_dir_all(t.state().join("lease")).unwrap();
    fs::create_dir(t.path().join("logs")).unwrap();
    let payload = for_inspect_and_lease(&work.run, &work.job, &work.contents, (false, lease)).unwrap();
    let log = t.path().join("logs/look");
    fs::write(
        format!("{}.line", log.display()),
        command_line(Become::None, "n", Sent::Payload, &["inspect"]),
    )
    .unwrap();
    let trace = "strace -ff --seccomp-bpf -qq -e trace=execve,clone,fork,vfork -e signal=none -o";
    let line = format!("{trace} {0} sh -c \"$(cat {0}.line)\"", log.display());
    let connection = t.connect();
    finish_within(&connection.start_line(&line, &bytes(&payload)), PATIENCE);
    Some(starts(&log).len())
}

#[test]
fn a_lease_that_rides_on_the_look_costs_two_processes() {
    let (Some(without), Some(with)) = (looks(Duration::ZERO), looks(Duration::from_secs(60))) else { return };
    eprintln!("a look: {without} processes, with a lease {with}");
    // One links it into place, one sweeps what it was made from.
    assert!(with <= without + 2, "{without} without, {with} with");
}

/// A machine that is busy with other things is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// Says how long a step took, for whoever reads the figures.
fn tell(what: &str, since: Instant) {
    eprintln!("{what}: {} ms", since.elapsed().as_millis());
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
