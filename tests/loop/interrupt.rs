//! The person, or the machine, wants the controller to stop: the guards hold either way.

use crate::stage::{HOLD, MOTD, Stage, all_below, await_that};
use nix::sys::signal::Signal;
use snapback_testkit::program::Running;
use std::time::{Duration, Instant};

/// A run of two hosts, one after the other, in which the first waits for its local check.
fn first_of_two(stage: &Stage) -> Running {
    let hold = HOLD.replace("name", "on = \"a.test\"\nname").replace("\"3s\"", "\"14s\"");
    stage.fleet_within(15, &format!("{MOTD}{hold}\n[rollout]\nparallel = 1\n"));
    let mut running = stage.change().start();
    running.await_said("applied; the guard undoes");
    running
}

/// Waits until the hosts are over and asserts that they are as before.
fn are_as_before(stage: &Stage) {
    for host in &stage.hosts {
        host.await_over();
        assert_eq!(host.read("etc/motd"), "old\n", "{}", host.name);
    }
}

#[test]
fn once_lets_the_host_under_way_finish_and_starts_no_other() {
    let stage = Stage::of(&["a.test", "b.test"]);
    let mut running = first_of_two(&stage);
    running.signal(Signal::SIGINT);
    running.await_said("interrupted: no more hosts are started");
    running.await_said("a.test is armed: it rolls itself back in");
    stage.let_go();
    running.end().must_exit(130).must_say("1 confirmed").must_say("1 not_reached");
    assert_eq!(stage.hosts[0].read("etc/motd"), "new\n");
    assert_eq!(stage.hosts[1].read("etc/motd"), "old\n");
}

/// Asserts that it leaves within two seconds, names the armed host and its deadline, and leaves nothing behind.
fn leaves_at_once(stage: &Stage, running: Running) {
    let asked = Instant::now();
    let ended = running.end().must_exit(130).must_say("leaving now");
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
    let line = ended.err.lines().rfind(|line| line.contains("a.test is armed")).unwrap().to_owned();
    assert!(line.contains("it rolls itself back in ") && line.ends_with("Z unless confirmed"), "{line}");
    assert!(!ended.err.contains("b.test is armed"), "{ended}");
    let run = stage.dir().join("run");
    await_that("no ssh is left", Duration::from_secs(5), || all_below(&run).is_empty());
}

#[test]
fn twice_leaves_at_once_and_the_host_rolls_itself_back() {
    let stage = Stage::of(&["a.test", "b.test"]);
    let mut running = first_of_two(&stage);
    running.signal(Signal::SIGINT);
    running.await_said("interrupted");
    running.signal(Signal::SIGINT);
    leaves_at_once(&stage, running);
    are_as_before(&stage);
}

#[test]
fn a_termination_leaves_within_two_seconds_and_the_next_run_goes_through() {
    let stage = Stage::of(&["a.test", "b.test"]);
    let running = first_of_two(&stage);
    running.signal(Signal::SIGTERM);
    leaves_at_once(&stage, running);
    are_as_before(&stage);
    stage.fleet(MOTD);
    stage.change().run().must_exit(0).must_say("2 confirmed");
}

#[test]
fn a_termination_with_nothing_armed_says_so() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    stage.host().relay.blackhole();
    let mut running = stage.change().start();
    running.await_said("run started");
    running.signal(Signal::SIGTERM);
    running.end().must_exit(130).must_say("No host is armed");
}
