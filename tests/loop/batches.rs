//! Staged runs: what a person says from another terminal, and what goes on after a run that ended before its end.

use crate::stage::{HOLD, MOTD, Stage};
use nix::sys::signal::Signal;
use snapback_testkit::program::{Ended, Running};

/// Changes something without asking, and tells it as data.
const CONSENT: [&str; 4] = ["--yes", "--volatile-guard", "--output", "json"];

const HOSTS: [&str; 3] = ["one.test", "two.test", "three.test"];

/// Three hosts, the first of them the canary.
fn staged(rollout: &str, body: &str) -> Stage {
    let stage = Stage::of(&HOSTS);
    stage.fleet_within(25, &format!("{MOTD}[rollout]\ncanary = 1\nserial = [1]\n{rollout}\n{body}"));
    stage
}

fn motds(stage: &Stage) -> Vec<String> {
    stage.hosts.iter().map(|host| host.read("etc/motd").trim().to_owned()).collect()
}

/// How many transactions each host has seen.
fn transactions(stage: &Stage) -> Vec<usize> {
    let seen = |state: &std::path::Path| std::fs::read_dir(state.join("tx")).map_or(0, |list| list.count());
    stage.hosts.iter().map(|host| seen(&host.state)).collect()
}

fn at_its_gate(stage: &Stage) -> Running {
    let mut running = stage.change_json().start();
    running.await_said("\"event\":\"gate_reached\"");
    assert_eq!(motds(stage), ["new", "old", "old"]);
    running
}

fn again(stage: &Stage, verb: &str) -> Ended {
    stage.deploy(&[verb]).args(CONSENT).run()
}

#[test]
fn a_run_behind_its_canary_is_promoted_from_another_terminal() {
    let stage = staged("auto_promote = false", "");
    let running = at_its_gate(&stage);
    stage.deploy(&["history"]).run().must_exit(0).must_say("waits for `deploy promote`");
    stage.deploy(&["retry"]).run().must_exit(2).must_say("is still at work");
    stage.deploy(&["promote"]).run().must_exit(0).must_say("goes on");
    running.end().must_exit(0).must_say("\"ending\":\"complete\"");
    assert_eq!(motds(&stage), ["new", "new", "new"]);
    stage.deploy(&["promote"]).run().must_exit(2).must_say("is over");
    stage.deploy(&["logs", "two.test"]).run().must_exit(0).must_say("confirmed").must_not_say("three.test");
    stage.deploy(&["logs", "four.test"]).run().must_exit(2).must_say("is no host of run");
}

#[test]
fn a_run_behind_its_canary_is_aborted_from_another_terminal_and_retry_does_the_rest() {
    let stage = staged("auto_promote = false", "");
    let running = at_its_gate(&stage);
    stage.deploy(&["abort"]).run().must_exit(0).must_say("starts no more hosts");
    running.end().must_exit(6).must_say("\"ending\":\"aborted\"").must_say("deploy retry");
    assert_eq!(motds(&stage), ["new", "old", "old"]);
    stage.fleet_within(25, MOTD);
    again(&stage, "retry").must_exit(0).must_not_say("one.test");
    assert_eq!((motds(&stage), transactions(&stage)), (vec!["new".to_owned(); 3], vec![1, 1, 1]));
    stage.deploy(&["status"]).run().must_exit(0).must_say("last run ").must_say("2 confirmed");
}

#[test]
fn a_run_whose_controller_was_killed_at_its_gate_is_gone_on_with_at_its_gate() {
    let stage = staged("auto_promote = false", "");
    let running = at_its_gate(&stage);
    running.signal(Signal::SIGKILL);
    drop(running);
    stage
        .deploy(&["promote"])
        .run()
        .must_exit(2)
        .must_say("has no controller any more")
        .must_say("deploy resume");
    let resumed = stage.deploy(&["resume", "--yes", "--volatile-guard", "--output", "json"]);
    let mut resumed = resumed.start();
    resumed.await_said("\"event\":\"gate_reached\"");
    assert_eq!(motds(&stage), ["new", "old", "old"]);
    stage.deploy(&["promote"]).run().must_exit(0);
    resumed.end().must_exit(0).must_not_say("one.test");
    assert_eq!((motds(&stage), transactions(&stage)), (vec!["new".to_owned(); 3], vec![1, 1, 1]));
    again(&stage, "resume").must_exit(0).must_say("has left nothing to do");
}

#[test]
fn a_host_that_a_killed_controller_left_armed_is_rolled_back_and_done_by_the_next() {
    let hold = format!("{}on = \"two.test\"\n", HOLD.replace("\"3s\"", "\"24s\""));
    let stage = staged("", &hold);
    let mut running = stage.change_json().start();
    running.await_that("the second is ready", || stage.hosts[1].journals().contains("\nready "));
    running.signal(Signal::SIGKILL);
    drop(running);
    stage.let_go();
    again(&stage, "resume")
        .must_exit(0)
        .must_say("what the run had begun is rolled back")
        .must_not_say("one.test");
    assert_eq!((motds(&stage), transactions(&stage)), (vec!["new".to_owned(); 3], vec![1, 2, 1]));
}

#[test]
fn a_batch_that_a_killed_controller_has_split_is_undone_if_that_is_wanted() {
    let stage = Stage::of(&HOSTS[..2]);
    stage.fleet_within(60, &format!("scope = \"batch\"\n{MOTD}[rollout]\nconnect_parallel = 1\n"));
    let mut running = stage.change_json().start();
    running.await_said("\"result\":\"confirmed\"");
    running.signal(Signal::SIGKILL);
    drop(running);
    // The command that is told works as it is typed, from wherever the run was named.
    let fleet = stage.path("fleet.toml").display().to_string();
    let records = stage.dir().join("state/snapback").display().to_string();
    let told = stage.deploy(&["abort", &fleet, "--state-dir", &records]).run().must_exit(2);
    let command = told.err.split('`').find(|text| text.starts_with("deploy resume --undo "));
    let command = format!("{} {}", command.unwrap_or_else(|| panic!("{told}")), CONSENT.join(" "));
    let undo = || stage.typed(&command).dir(std::path::Path::new("/")).run();
    undo().must_exit(0).must_say("what the run had begun is rolled back");
    assert_eq!(motds(&stage), ["old", "old"]);
    undo().must_exit(0).must_say("unchanged");
    let last = stage.deploy(&["resume", "--undo"]).run();
    last.must_exit(2).must_say("no batch of run ").must_say(" is split");
    stage.change().run().must_exit(0).must_say("batch 1: all 2 have passed and are confirmed");
    assert_eq!(motds(&stage), ["new", "new"]);
}

#[test]
fn a_job_stops_after_the_canary_and_the_next_one_goes_on() {
    let stage = staged("auto_promote = false", "");
    let canary = || stage.change_json().args(["--stop-after", "canary"]).run().must_exit(0);
    canary().must_say("\"ending\":\"as_asked\"");
    assert_eq!(motds(&stage), ["new", "old", "old"]);
    canary().must_say("\"result\":\"unchanged\"");
    stage.change_json().run().must_exit(0).must_say("\"ending\":\"complete\"").must_not_say("gate_reached");
    assert_eq!((motds(&stage), transactions(&stage)), (vec!["new".to_owned(); 3], vec![1, 1, 1]));
    stage.change().args(["--stop-after", "4"]).run().must_exit(2).must_say("this run has 3 batches");
}

#[test]
fn a_host_that_somebody_else_holds_stops_a_staged_run_and_a_batch_confirmed_as_one_before_their_first_change()
{
    let hold = HOLD.replace("\"3s\"", "\"24s\"");
    let stage = Stage::of(&HOSTS);
    stage.fleet_within(25, &format!("{MOTD}{hold}"));
    let mut running = stage.change().args(["--limit", "three.test"]).start();
    running.await_that("it is ready", || stage.hosts[2].journals().contains("\nready "));
    stage.fleet_within(25, &format!("{MOTD}[rollout]\ncanary = 1\n"));
    let told = stage.change_json().run().must_exit(5);
    told.must_say("\"ending\":\"held\"").must_say("holds the host");
    stage.fleet_within(25, &format!("scope = \"batch\"\n{MOTD}"));
    let told = stage.change_json().run().must_exit(5);
    told.must_say("another run holds a host of its batch").must_say("\"result\":\"not_reached\"");
    assert_eq!(transactions(&stage), [0, 0, 1]);
    stage.let_go();
    running.end().must_exit(0);
}

#[test]
fn a_protected_host_is_never_changed_unasked() {
    let stage = staged("", "");
    let protect = "[groups.core]\non = \"three.test\"\nprotected = true\n";
    stage.fleet_within(25, &format!("{protect}{MOTD}[rollout]\ncanary = 1\n"));
    let told = stage.change().run().must_exit(1).must_say("PROTECTED").must_say("2 not_reached");
    assert!(told.err.contains("it is protected in the fleet file, and would be changed"), "{told}");
    assert_eq!(transactions(&stage), [0, 0, 0]);
    stage.fleet_within(25, &format!("{protect}{MOTD}"));
    stage.change().run().must_exit(1).must_say("2 confirmed");
    assert_eq!(transactions(&stage), [1, 1, 0]);
    stage.change().args(["--allow-protected"]).run().must_exit(0).must_say("1 confirmed");
    stage.change().run().must_exit(0).must_say("3 unchanged");
    stage.deploy(&["rollback", "--yes", "--volatile-guard"]).run().must_exit(1).must_say("--allow-protected");
    assert_eq!(transactions(&stage), [1, 1, 1]);
}

#[test]
fn the_record_of_another_fleet_and_a_newer_one_are_refused() {
    let stage = staged("", "");
    stage.change().run().must_exit(0);
    let runs = stage.dir().join("state/snapback/runs");
    let path = std::fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    let run = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"fleet\":\"loop\"", "\"fleet\":\"shop\"", 1)).unwrap();
    let told = stage.deploy(&["retry", &run]).run().must_exit(2);
    told.must_say("is one of the fleet 'shop', not of 'loop'");
    std::fs::write(&path, text.replacen("\"v\":1", "\"v\":9", 1)).unwrap();
    stage.deploy(&["retry"]).run().must_exit(2).must_say("has version 9, and this deploy knows up to 1");
    std::fs::remove_file(&path).unwrap();
    stage.deploy(&["retry"]).run().must_exit(2).must_say("there is no record of a run of the fleet 'loop'");
}

#[test]
fn a_host_that_others_are_reached_through_by_the_users_own_configuration_has_a_batch_of_its_own() {
    let stage = Stage::of(&["one.test", "two.test", "gate.test"]);
    stage.write_ssh_config("Host two.test\n  ProxyJump gate.test\n");
    stage.fleet(MOTD);
    let planned = stage.deploy(&["plan"]).run().must_exit(0);
    let batches =
        "rollout in 2 batches\n  batch 1, 2 hosts: one.test, two.test\n  batch 2, 1 host: gate.test\n";
    assert!(planned.out.contains(batches), "{planned}");
    stage.change().run().must_exit(0).must_say("batch 2 of 2, 1 host: gate.test").must_say("3 confirmed");
    assert_eq!(motds(&stage), ["new", "new", "new"]);
}
