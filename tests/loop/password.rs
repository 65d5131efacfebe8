//! The password for sudo on the controller's side: how it comes in, and that it goes no further than it must.

use crate::stage::{Stage, told};

const MOTD: &str = "[[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"new\\n\"\ndest = \"{{ root }}/etc/motd\"\n\
                    [[checks]]\nname = \"peek\"\nwhere = \"local\"\nrun = \"! env | grep horse\"\nhealthy_deadline = \"3s\"\n";

#[test]
fn it_is_asked_for_once_and_not_shown() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    let command = stage.deploy(&["fleet.toml", "--volatile-guard", "-K"]).env("TERM", "xterm");
    let mut running = command.on_a_terminal().start();
    running.await_said("password for sudo");
    assert_eq!(stage.accepted(), 0, "asked before anybody is contacted");
    running.types("horse\n");
    running.await_said("[y/N]");
    running.types("y\n");
    let said = running.said();
    assert_eq!(said.matches("password for sudo").count(), 1, "{said}");
    running.end().must_exit(0).must_say("1 confirmed").must_not_say("horse");
}

#[test]
fn without_a_terminal_it_can_not_be_asked_for() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    let said = stage.change().args(["-K"]).run().must_exit(2);
    said.must_say("no terminal").must_say("DEPLOY_BECOME_PASSWORD");
    assert_eq!(stage.accepted(), 0);
}

#[test]
fn from_the_environment_no_local_command_gets_it_and_a_host_that_does_not_ask_neither() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    let ended = stage.change_json().env("DEPLOY_BECOME_PASSWORD", "horse").run().must_exit(0);
    assert!(!told(&ended).is_empty());
    ended.must_not_say("horse");
    let state = stage.dir().join("state");
    let kept = std::process::Command::new("grep").args(["-ra", "horse"]).arg(state).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
}
