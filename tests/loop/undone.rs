//! Hosts that were confirmed are taken back to before the run, by the run itself.

use crate::stage::{HOLD, Stage};
use nix::sys::signal::Signal;
use snapback_testkit::program::Ended;

const HOSTS: [&str; 3] = ["one.test", "two.test", "three.test"];

const HANDLED: &str = "[[changes]]\nname = \"motd\"\nkind = \"files\"\nhandlers = ['cat \"$VAR_ROOT/etc/motd\" >> \"$VAR_ROOT/seen\"']\n\
                       [[changes.files]]\ndest = \"{{ root }}/etc/motd\"\ncontent = \"new\\n\"\n";

/// The last host fails, and takes `go` away.
const THIRD: &str = "[[checks]]\nname = \"third\"\non = \"three.test\"\nwhere = \"local\"\nrun = 'rm -f go; false'\nhealthy_deadline = \"1s\"\n";

fn motds(stage: &Stage) -> Vec<String> {
    stage.hosts.iter().map(|host| host.read("etc/motd").trim().to_owned()).collect()
}

fn transactions(stage: &Stage) -> Vec<usize> {
    let seen = |state: &std::path::Path| std::fs::read_dir(state.join("tx")).map_or(0, |list| list.count());
    stage.hosts.iter().map(|host| seen(&host.state)).collect()
}

fn again(stage: &Stage, verb: &str) -> Ended {
    stage.deploy(&[verb, "--yes", "--volatile-guard", "--output", "json"]).run()
}

#[test]
fn a_canary_that_fails_while_it_bakes_is_as_before_and_retry_brings_the_change_again() {
    let stage = Stage::of(&HOSTS);
    let watched = "[[checks]]\nname = \"watched\"\nwhere = \"local\"\nrun = 'test ! -e bad'\ninterval = \"200ms\"\nhealthy_deadline = \"2s\"\n";
    stage.fleet_within(25, &format!("{HANDLED}{watched}[rollout]\ncanary = 1\nbake_time = \"30s\"\n"));
    let mut running = stage.change_json().start();
    running.await_said("\"event\":\"bake_started\"");
    assert_eq!(motds(&stage), ["new", "old", "old"]);
    stage.write("bad", "");
    let ended = running.end().must_exit(6).must_say("\"event\":\"going_back\"");
    ended.must_say("check 'watched' failed while baking").must_say("STILL FAILING with the old state");
    stage.hosts[0].await_over();
    assert_eq!((motds(&stage), transactions(&stage)), (vec!["old".to_owned(); 3], vec![2, 0, 0]));
    assert_eq!(stage.hosts[0].read("seen"), "new\nold\n", "its handlers have run again");
    std::fs::remove_file(stage.path("bad")).unwrap();
    stage.fleet_within(25, &format!("{HANDLED}{watched}[rollout]\ncanary = 1\n"));
    again(&stage, "retry").must_exit(0);
    assert_eq!(motds(&stage), ["new", "new", "new"]);
}

#[test]
fn a_failure_in_the_last_batch_undoes_the_whole_run() {
    let stage = Stage::of(&HOSTS);
    stage.fleet_within(
        25,
        &format!("{HANDLED}{THIRD}[rollout]\ncanary = 1\nserial = [1]\nrollback_scope = \"run\"\n"),
    );
    let ended = stage.change_json().run().must_exit(1).must_say("undone because three.test failed");
    ended.must_say("\"exit_code\":1").must_say("\"event\":\"scope_undone\"");
    stage.hosts.iter().for_each(crate::stage::Host::await_over);
    assert_eq!((motds(&stage), transactions(&stage)), (vec!["old".to_owned(); 3], vec![2, 2, 1]));
    assert_eq!(stage.hosts[1].read("seen"), "new\nold\n");
    // What was undone is no candidate for going back, and nothing is left to resume.
    stage
        .deploy(&["rollback", "--yes", "--volatile-guard"])
        .run()
        .must_exit(0)
        .must_say("nothing is pending");
    again(&stage, "resume").must_exit(0).must_say("has left nothing to do");
    stage.fleet_within(25, HANDLED);
    again(&stage, "retry").must_exit(0);
    assert_eq!(motds(&stage), ["new", "new", "new"]);
}

#[test]
fn what_a_killed_controller_has_not_undone_is_undone_by_resume() {
    let stage = Stage::of(&HOSTS);
    let hold = format!("{}on = \"one.test\"\n", HOLD.replace("\"3s\"", "\"20s\""));
    let rollout = "[rollout]\ncanary = 1\nserial = [1]\nrollback_scope = \"run\"\n";
    stage.fleet_within(25, &format!("{HANDLED}{THIRD}{hold}{rollout}"));
    stage.let_go();
    let mut running = stage.change_json().start();
    let ready_twice = || stage.hosts[0].journals().matches("\nready ").count() == 2;
    running.await_that("the first is nearly undone", ready_twice);
    running.await_that("the second is undone", || stage.hosts[1].read("etc/motd") == "old\n");
    stage.hosts[1].await_over();
    running.signal(Signal::SIGKILL);
    drop(running);
    assert_eq!(
        stage.hosts[0].read("etc/motd"),
        "old\n",
        "and armed: unless it is confirmed, the change comes back"
    );
    stage.let_go();
    let told = again(&stage, "resume").must_exit(1).must_say("\"result\":\"rolled_back\"");
    told.must_say("undone because three.test failed").must_not_say("\"host\":\"three.test\"");
    stage.hosts.iter().for_each(crate::stage::Host::await_over);
    assert_eq!((motds(&stage), transactions(&stage)), (vec!["old".to_owned(); 3], vec![3, 2, 1]));
    again(&stage, "resume").must_exit(0).must_say("has left nothing to do");
}
