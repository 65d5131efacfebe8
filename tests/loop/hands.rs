//! What a person does from another terminal.

use crate::stage::{HOLD, MOTD, Stage};
use nix::sys::signal::Signal;
use serde_json::Value;
use snapback_testkit::program::Running;

fn held(stage: &Stage, window: u32) -> Running {
    let hold = HOLD.replace("\"3s\"", &format!("\"{}s\"", window - 1));
    stage.fleet_within(window, &format!("{MOTD}{hold}"));
    let mut running = stage.change().args(["--comment", "the new motd"]).start();
    running.await_that("the host is ready", || stage.host().journals().contains("\nready "));
    running
}

fn json(ended: &snapback_testkit::program::Ended) -> Value {
    serde_json::from_str(ended.out.lines().next().unwrap_or_default())
        .unwrap_or_else(|e| panic!("{e}; {ended}"))
}

#[test]
fn status_shows_who_is_at_it_and_until_when_and_then_how_it_ended() {
    let stage = Stage::new();
    let running = held(&stage, 20);
    let ended = stage.deploy(&["status"]).run().must_exit(0);
    let ended = ended.must_say("web.test").must_say("ready").must_say("tester@").must_say("the new motd");
    assert!(ended.out.contains("in 1") || ended.out.contains("1"), "{ended}");
    let told = json(&stage.deploy(&["status", "--output", "json"]).run().must_exit(0)).to_string();
    assert!(told.contains("\"left\"") && told.contains("ready"), "{told}");
    stage.let_go();
    running.end().must_exit(0);
    stage.host().await_over();
    stage.deploy(&["status"]).run().must_exit(0).must_say("confirmed").must_not_say("the host is ready");
}

#[test]
fn rollback_ends_a_run_of_another_terminal_which_says_so() {
    let stage = Stage::new();
    let before = stage.host().tree();
    let running = held(&stage, 20);
    stage.deploy(&["rollback"]).run().must_exit(0).must_say("rolled back");
    assert_eq!(stage.host().tree(), before);
    stage.let_go();
    running.end().must_exit(1).must_say("1 rolled_back").must_say("rolled back by hand");
}

#[test]
fn confirm_keeps_what_a_killed_controller_left_armed() {
    let stage = Stage::new();
    let running = held(&stage, 20);
    running.signal(Signal::SIGKILL);
    stage.deploy(&["confirm"]).run().must_exit(0).must_say("confirmed; the change stays");
    stage.host().await_over();
    assert_eq!(stage.host().read("etc/motd"), "new\n");
    stage.deploy(&["confirm"]).run().must_exit(1).must_say("nothing is pending");
}

#[test]
fn confirm_without_the_token_of_the_run_is_refused() {
    let stage = Stage::new();
    let running = held(&stage, 20);
    let elsewhere = stage.dir().join("elsewhere").display().to_string();
    stage.deploy(&["confirm", "--state-dir", &elsewhere]).run().must_exit(1).must_say("no token");
    stage.let_go();
    running.end().must_exit(0);
}

#[test]
fn settling_where_nothing_is_pending_says_so() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    stage.deploy(&["rollback"]).run().must_exit(0).must_say("nothing is pending");
    stage.deploy(&["resolve", "--accept"]).run().must_exit(0).must_say("nothing is pending");
    stage.deploy(&["status"]).run().must_exit(0);
}

/// A host whose rollback has failed.
fn broken() -> Stage {
    let stage = Stage::new();
    stage.fleet(&format!(
        "{MOTD}{}",
        r#"
[[changes]]
name = "valve"
kind = "script"
apply = 'touch "$VAR_ROOT/open"; exit 9'
rollback = 'test -e "$VAR_ROOT/mended" || { echo the valve is stuck; exit 1; }; rm -f "$VAR_ROOT/open"'
"#
    ));
    let ended = stage.change().run().must_exit(3).must_say("1 rollback_failed").must_say("NOT as before");
    let ended = ended.must_say("valve").must_say("the valve is stuck");
    assert!(ended.err.contains("deploy rollback"), "it says what to run; {ended}");
    assert_eq!(stage.host().read("etc/motd"), "old\n", "what could be undone is");
    let tries = stage.host().journals().matches("\nrolling_back ").count();
    assert_eq!(tries, 1, "a rollback is tried again only when a person asks for it");
    stage
}

#[test]
fn a_failed_rollback_blocks_until_it_is_mended() {
    let stage = broken();
    stage.deploy(&["status"]).run().must_exit(3).must_say("rollback_failed").must_say("valve");
    // Nobody may deploy over it unawares.
    let ended = stage.change().run().must_exit(3).must_say("deploy rollback").must_say("deploy resolve");
    assert!(ended.err.contains("rollback_failed"), "{ended}");
    stage.deploy(&["rollback"]).run().must_exit(3).must_say("the valve is stuck");
    stage.host().write("mended", "");
    stage.deploy(&["rollback"]).run().must_exit(0).must_say("rolled back");
    stage.host().await_over();
    assert!(!stage.host().file("open").exists());
    stage.fleet(MOTD);
    stage.change().run().must_exit(0);
}

#[test]
fn a_failed_rollback_is_taken_as_it_is_when_a_person_says_so() {
    let stage = broken();
    stage.deploy(&["resolve"]).run().must_exit(2).must_say("--accept");
    stage.deploy(&["resolve", "--accept"]).run().must_exit(0).must_say("taken as it is");
    assert!(stage.host().file("open").exists(), "nothing is done to it");
    stage.fleet(MOTD);
    stage.change().run().must_exit(0);
}

#[test]
fn a_second_controller_is_told_who_since_when_and_until_when() {
    let stage = Stage::new();
    let running = held(&stage, 20);
    // An equal host would be unchanged: what the second one wants is another thing.
    stage.write("second.toml", format!("{}{}", stage.head(), MOTD.replace("new", "newer")));
    let ended =
        stage.deploy(&["second.toml", "--yes", "--volatile-guard"]).env("USER", "rival").run().must_exit(5);
    let ended =
        ended.must_say("tester@").must_say("the new motd").must_say("begun").must_say("its guard decides in");
    assert!(ended.err.contains("untouched"), "{ended}");
    stage.let_go();
    running.end().must_exit(0).must_say("1 confirmed");
    assert_eq!(stage.host().read("etc/motd"), "new\n");
}
