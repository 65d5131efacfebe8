//! The controller is killed: the host ends old and whole by itself, and the next run needs no hand.

use crate::stage::{HOLD, MOTD, Stage, all_below, await_that};
use nix::sys::signal::Signal;
use snapback_testkit::program::Running;
use std::io::Read;
use std::time::Duration;

/// Kills the controller and asserts that nothing of it is left, that the host ends as it was, and that the next
/// run goes through.
fn kill_and_go_on(stage: &Stage, running: Running, before: &crate::stage::Tree) {
    running.signal(Signal::SIGKILL);
    let run = stage.dir().join("run");
    await_that("no ssh outlives its controller", Duration::from_secs(5), || {
        all_below(&run).into_iter().all(|pid| pid.as_raw() == running.pid())
    });
    drop(running);
    stage.host().await_over();
    assert_eq!(stage.host().tree(), *before);
    stage.fleet(MOTD);
    stage.change().run().must_exit(0).must_say("1 confirmed");
    assert_eq!(stage.host().read("etc/motd"), "new\n");
}

#[test]
fn while_it_uploads() {
    let stage = Stage::new();
    let before = stage.host().tree();
    let mut bulk = vec![0; 16 << 20];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bulk).unwrap();
    stage.write("bulk", bulk);
    let upload = "[[changes.files]]\nsource = \"bulk\"\ndest = \"{{ root }}/etc/bulk\"\n";
    stage.fleet(&format!("{MOTD}{upload}"));
    stage.deploy(&["plan"]).run().must_exit(0);
    stage.host().relay.delay(Duration::from_millis(20));
    let mut running = stage.change_json().start();
    running.await_said("\"event\":\"uploading\"");
    let passed = stage.host().relay.passed();
    running.await_that("some of it has passed", || stage.host().relay.passed() > passed + (2 << 20));
    assert!(!running.said().contains("guard_armed"), "it is still uploading");
    running.signal(Signal::SIGKILL);
    stage.host().relay.pass();
    kill_and_go_on(&stage, running, &before);
}

#[test]
fn while_it_applies() {
    let stage = Stage::new();
    let before = stage.host().tree();
    let slow = "[[changes]]\nkind = \"script\"\napply = 'touch \"$VAR_ROOT/half\"; sleep 2; touch \"$VAR_ROOT/whole\"'\n\
                rollback = 'rm -f \"$VAR_ROOT/half\" \"$VAR_ROOT/whole\"'\n";
    stage.fleet(&format!("{MOTD}{slow}"));
    let mut running = stage.change_json().start();
    running.await_that("the change has begun", || stage.host().file("half").exists());
    kill_and_go_on(&stage, running, &before);
}

#[test]
fn while_it_waits_to_confirm() {
    let stage = Stage::new();
    let before = stage.host().tree();
    stage.fleet(&format!("{MOTD}{HOLD}"));
    let mut running = stage.change_json().start();
    running.await_said("\"event\":\"ready\"");
    kill_and_go_on(&stage, running, &before);
    assert!(stage.host().journals().contains("not confirmed within 3 s after apply"));
}
