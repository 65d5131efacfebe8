//! The line breaks: the target goes on, the controller comes back and hears the rest.

use crate::stage::{HOLD, MOTD, Stage, events, told};
use snapback_testkit::program::Running;
use std::thread::sleep;
use std::time::Duration;

/// A change that talks all the time and takes a while.
const CHATTY: &str = r#"
[[changes]]
name = "chatty"
kind = "script"
apply = '''
touch "$VAR_ROOT/begun"
n=0; while [ $n -lt 3000 ]; do echo "line $n of much talk"; n=$((n + 1)); done
sleep 2
n=0; while [ $n -lt 3000 ]; do echo "line $n of much talk"; n=$((n + 1)); done
touch "$VAR_ROOT/ended"
'''
rollback = 'rm -f "$VAR_ROOT/begun" "$VAR_ROOT/ended"'
"#;

/// Starts it and waits until the change is half done.
fn applying(stage: &Stage) -> Running {
    stage.fleet_within(10, &format!("{MOTD}{CHATTY}"));
    let mut running = stage.change_json().start();
    running.await_that("the change has begun", || stage.host().file("begun").exists());
    sleep(Duration::from_millis(300));
    running
}

/// Starts it and waits until it only waits for its checks.
fn waiting(stage: &Stage) -> Running {
    stage.fleet_within(12, &format!("{MOTD}{}", HOLD.replace("\"3s\"", "\"11s\"")));
    let mut running = stage.change_json().start();
    running.await_said("\"event\":\"applied\"");
    running
}

fn is_confirmed(stage: &Stage, running: Running) {
    let told = told(&running.end().must_exit(0));
    assert_eq!(told.last().unwrap()["hosts"]["web.test"], "confirmed");
    assert_eq!(events(&told, "applied").len(), 1, "what was heard isn't told twice");
    assert_eq!(stage.host().read("etc/motd"), "new\n");
    stage.host().await_over();
}

#[test]
fn the_ssh_session_is_killed_while_a_chatty_change_is_applied() {
    let stage = Stage::new();
    let mut running = applying(&stage);
    stage.host().sshd.kill_connections();
    running.await_said("\"event\":\"line_lost\"");
    is_confirmed(&stage, running);
    assert!(stage.host().file("ended").exists(), "the change went on without a line");
}

#[test]
fn the_line_is_cut_while_applying() {
    let stage = Stage::new();
    let mut running = applying(&stage);
    stage.host().relay.cut();
    running.await_said("\"event\":\"line_lost\"");
    stage.host().relay.pass();
    is_confirmed(&stage, running);
}

#[test]
fn the_line_is_reset_while_applying() {
    let stage = Stage::new();
    let mut running = applying(&stage);
    stage.host().relay.reset();
    running.await_said("\"event\":\"line_lost\"");
    stage.host().relay.pass();
    is_confirmed(&stage, running);
}

#[test]
fn the_line_is_silent_for_a_while_when_applying() {
    let stage = Stage::new();
    let running = applying(&stage);
    stage.host().relay.blackhole();
    sleep(Duration::from_secs(2));
    stage.host().relay.pass();
    is_confirmed(&stage, running);
}

#[test]
fn the_line_is_cut_or_silent_while_waiting() {
    let breaks: [fn(&Stage); 3] = [
        |stage| stage.host().relay.cut(),
        |stage| stage.host().relay.reset(),
        |stage| stage.host().relay.blackhole(),
    ];
    std::thread::scope(|scope| {
        for break_line in breaks {
            scope.spawn(move || {
                let stage = Stage::new();
                let running = waiting(&stage);
                break_line(&stage);
                sleep(Duration::from_secs(2));
                stage.host().relay.pass();
                stage.let_go();
                is_confirmed(&stage, running);
            });
        }
    });
}

#[test]
fn the_line_is_cut_just_when_it_confirms() {
    let stage = Stage::new();
    let mut running = waiting(&stage);
    running.await_said("\"event\":\"ready\"");
    stage.host().relay.cut();
    stage.let_go();
    running.await_said("\"event\":\"confirm_failed\"");
    stage.host().relay.pass();
    is_confirmed(&stage, running);
}
