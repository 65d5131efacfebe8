//! Two controllers that want the same hosts, and what a killed one leaves.

use crate::stage::{HOLD, MOTD, Stage, await_that};
use nix::sys::signal::Signal;
use snapback_testkit::program::{Program, Running};
use std::fs;
use std::time::Duration;

const HOSTS: [&str; 3] = ["one.test", "two.test", "three.test"];

/// What hosts hold, a line for each transaction and each lease: whose.
fn runs_on(stage: &Stage) -> Vec<String> {
    let transactions =
        stage.hosts.iter().flat_map(|host| fs::read_dir(host.state().join("tx")).into_iter().flatten());
    transactions.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn in_ci(stage: &Stage) -> Program {
    stage.change().env("CI_COMMIT_REF_NAME", "release").env("CI_JOB_URL", "https://ci.example.org/7")
}

#[test]
fn of_two_controllers_that_start_at_once_one_changes_all_hosts_and_the_other_none() {
    let stage = Stage::of(&HOSTS);
    stage.fleet_within(25, &format!("{MOTD}{HOLD}"));
    let [first, second] = [in_ci(&stage).start(), in_ci(&stage).start()];
    // The one that lost says so while the other's window is still open.
    let is_told_so = |one: &Running| one.said().contains("REFUSED") && one.said().contains("tester@");
    await_that(
        "one of them is through, and the other has said why it isn't",
        Duration::from_secs(25),
        || {
            stage.hosts.iter().all(|host| host.journals().contains("\nready "))
                && (is_told_so(&first) || is_told_so(&second))
        },
    );
    let (lost, won) = if is_told_so(&first) { (first, second) } else { (second, first) };
    let told = lost.end().must_exit(5);
    assert!(
        told.err.contains("tester@") && told.err.contains("branch release, https://ci.example.org/7"),
        "{told}"
    );
    told.must_say("nothing was").must_say("3 hosts");
    stage.let_go();
    won.end().must_exit(0).must_say("3 confirmed");
    let runs = runs_on(&stage);
    assert!(runs.len() == 3 && runs.iter().all(|run| *run == runs[0]), "{runs:?}");
}

#[test]
fn a_run_waits_for_another_and_says_for_whom() {
    let stage = Stage::of(&HOSTS);
    stage.fleet_within(25, &format!("{MOTD}{HOLD}"));
    let mut first = stage.change().args(["--comment", "night shift"]).start();
    first.await_that("it is ready", || stage.hosts.iter().all(|host| host.journals().contains("\nready ")));
    let mut second = stage.change().args(["--lock-wait", "60s"]).start();
    second.await_said("held by tester@");
    let mut third = stage.change().args(["--lock-wait", "60s"]).start();
    third.await_said("held by tester@");
    third.signal(Signal::SIGINT);
    third.end().must_exit(130).must_say("3 not_reached");
    stage.let_go();
    first.end().must_exit(0);
    second.end().must_exit(0).must_say("3 unchanged");
    assert_eq!(runs_on(&stage).len(), 3, "what the first has done needn't be done again");
}

/// A controller that was killed with one host begun, and leases on the others.
fn killed(stage: &Stage) -> Running {
    stage.fleet_within(25, &format!("{MOTD}{HOLD}[rollout]\nparallel = 1\n"));
    let mut running = stage.change().args(["--comment", "night shift"]).start();
    running.await_that("the first is ready", || stage.hosts[0].journals().contains("\nready "));
    running.signal(Signal::SIGKILL);
    running
}

#[test]
fn what_a_killed_controller_holds_is_shown_refused_and_unlocked() {
    let stage = Stage::of(&HOSTS);
    drop(killed(&stage).end());
    let status = stage.deploy(&["status"]).run().must_exit(0);
    assert_eq!(status.out.matches("held since").count(), 2, "{status}");
    stage.deploy(&["plan"]).run().must_exit(0).must_say("HELD by tester@").must_say("night shift");
    stage.deploy(&["forget", "--yes", "--limit", "two.test"]).run().must_exit(1).must_say("about to change");
    let refused = stage.change().args(["--limit", "!one.test"]).run().must_exit(5);
    refused.must_say("is about to change the host").must_say("deploy unlock").must_say("night shift");
    assert_eq!(runs_on(&stage).len(), 1);

    stage.deploy(&["unlock"]).run().must_exit(2).must_say("--yes");
    let mut asked = stage.deploy(&["unlock", "two.test"]).on_a_terminal().start();
    asked.await_said("type yes to go on");
    asked.types("y\n");
    asked.end().must_exit(1).must_say("held by tester@").must_say("nothing was unlocked");
    let mut asked = stage.deploy(&["unlock", "two.test"]).on_a_terminal().start();
    asked.await_said("type yes to go on");
    asked.types("yes\n");
    asked.end().must_exit(0).must_say("two.test: unlocked").must_not_say("three.test");
    // What was begun is never touched.
    let told = stage.deploy(&["unlock", "--yes", "fleet.toml"]).run().must_exit(1);
    told.must_say("one.test: run")
        .must_say("is open there (ready), which is no lease")
        .must_say("three.test: unlocked");
    assert!(stage.hosts[0].state().join("current").exists());
    stage.deploy(&["unlock", "three.test", "--yes"]).run().must_exit(0).must_say("nobody holds it");

    stage.deploy(&["rollback"]).run().must_exit(0).must_say("one.test: rolled back");
    stage.let_go();
    stage.change().run().must_exit(0).must_say("3 confirmed");
}

#[test]
fn the_history_of_a_host_is_asked_of_it() {
    let stage = Stage::of(&HOSTS);
    stage.fleet(MOTD);
    stage.change().args(["--limit", "!three.test", "--comment", "new words"]).run().must_exit(0);
    let told = stage.deploy(&["history", "one.test"]).run().must_exit(0);
    assert!(
        told.out.contains("new words") && told.out.contains("one.test") && !told.out.contains("two.test"),
        "{told}"
    );
    stage.deploy(&["history", "three.test", "fleet.toml"]).run().must_exit(0).must_not_say("new words");
    stage.deploy(&["history", "four.test"]).run().must_exit(2).must_say("four.test");
    stage.deploy(&["history"]).run().must_exit(0).must_say("new words").must_not_say("one.test");
}
