//! Looking changes nothing, and nothing happens unasked.

use crate::stage::{MOTD, Stage, end_of, tree};
use std::time::Duration;

#[test]
fn plan_and_dry_run_show_the_difference_and_change_nothing() {
    let stage = Stage::new();
    stage.fleet(&format!(
        "{MOTD}{}",
        "[[changes]]\nkind = \"script\"\napply = 'touch \"$VAR_ROOT/done\"'\nirreversible = true\n"
    ));
    // The first contact leaves the agent there; from then on nothing may change.
    stage.deploy(&["plan"]).run().must_exit(0);
    let host = stage.host();
    let before = (host.tree(), without_times(host));
    let looks: [&[&str]; 3] = [&["plan"], &["fleet.toml", "--dry-run"], &["plan", "--detailed-exitcode"]];
    for arguments in looks {
        let ended = stage.deploy(arguments).run();
        assert!(ended.out.contains("+new") || ended.err.contains("+new"), "{ended}");
        let ended = ended.must_say("-old").must_say("script");
        assert!(matches!(ended.code(), Some(0 | 2)), "{ended}");
        assert_eq!((host.tree(), without_times(host)), before, "{ended}");
    }
    let records = stage.dir().join("state/snapback/runs");
    assert!(!records.exists(), "a run that was never begun has no record");
}

/// The host's state directory, by its names: folders that come and go leave their time behind.
fn without_times(host: &crate::stage::Host) -> Vec<String> {
    tree(&host.state).into_keys().collect()
}

#[test]
fn detailed_exit_codes_tell_no_change_an_error_and_changes_apart() {
    let stage = Stage::of(&["a.test", "b.test"]);
    stage.fleet(MOTD);
    let plan = || stage.deploy(&["plan", "--detailed-exitcode"]);
    plan().run().must_exit(2);
    stage.change().run().must_exit(0);
    plan().run().must_exit(0);
    stage.hosts[0].write("etc/motd", "changed by hand\n");
    stage.hosts[1].relay.cut();
    plan().run().must_exit(1).must_say("b.test");
}

#[test]
fn without_a_terminal_and_without_yes_nobody_is_contacted() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    stage.deploy(&["fleet.toml"]).run().must_exit(2).must_say("--yes").must_say("--dry-run");
    assert_eq!(stage.accepted(), 0);
}

#[test]
fn a_host_that_changed_since_the_plan_is_refused_and_stays_as_it_is() {
    let stage = Stage::new();
    let host = stage.host();
    // A baseline check runs after the plan was made and before anything is sent.
    let edit = format!("echo by-hand >'{}'", host.file("etc/motd").display());
    stage.fleet(&format!(
        "{MOTD}[[checks]]\nname = \"edit\"\nwhere = \"local\"\nrun = \"{edit}\"\nbaseline = true\nhealthy_deadline = \"1s\"\n"
    ));
    let told = stage.change_told(1);
    let end = end_of(&told, "web.test");
    assert_eq!(end["result"], "refused");
    assert!(end["cause"].as_str().unwrap().contains("changed since the plan"), "{end}");
    assert!(end["next"].as_str().unwrap().contains("deploy"), "{end}");
    assert_eq!(host.read("etc/motd"), "by-hand\n");
    host.await_over();
}

/// A run that has asked and waits for the answer.
fn asked(stage: &Stage) -> snapback_testkit::program::Running {
    stage.fleet(MOTD);
    let command = stage.deploy(&["fleet.toml", "--volatile-guard"]).env("TERM", "xterm");
    let mut running = command.on_a_terminal().start();
    running.await_said("[y/N]");
    assert_eq!(stage.host().read("etc/motd"), "old\n");
    running
}

#[test]
fn a_yes_goes_on() {
    let stage = Stage::new();
    let mut running = asked(&stage);
    running.types("y\n");
    running.end().must_exit(0).must_say("1 confirmed");
    assert_eq!(stage.host().read("etc/motd"), "new\n");
}

#[test]
fn anything_else_changes_nothing() {
    let stage = Stage::new();
    for answer in ["\n", "n\n", "\u{4}"] {
        let mut running = asked(&stage);
        running.types(answer);
        running.end().must_exit(0).must_say("nothing was changed");
    }
    assert!(!stage.dir().join("state/snapback/runs").exists());
}

#[test]
fn an_interrupt_is_a_no() {
    let stage = Stage::new();
    let running = asked(&stage);
    running.signal(nix::sys::signal::Signal::SIGINT);
    running.end().must_exit(130).must_say("nothing was changed");
    assert_eq!(stage.host().read("etc/motd"), "old\n");
}

#[test]
fn what_is_typed_before_the_question_is_no_answer() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    // Long enough to type while the hosts are looked at.
    stage.host().relay.delay(Duration::from_millis(50));
    let mut running = stage.deploy(&["fleet.toml", "--volatile-guard"]).on_a_terminal().start();
    running.types("y\n");
    assert!(!running.said().contains("[y/N]"), "it was typed too late to show anything");
    running.await_said("[y/N]");
    stage.host().relay.pass();
    std::thread::sleep(Duration::from_secs(1));
    running.types("n\n");
    running.end().must_exit(0).must_say("nothing was changed");
}
