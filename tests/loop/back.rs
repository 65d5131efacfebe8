//! Going back after the confirmation, from end to end.

use crate::stage::{MOTD, Stage};

const HANDLED: &str = "[[changes]]\nname = \"motd\"\nkind = \"files\"\nhandlers = ['cat \"$VAR_ROOT/etc/motd\" >> \"$VAR_ROOT/seen\"']\n\
                       [[changes.files]]\ndest = \"{{ root }}/etc/motd\"\ncontent = \"new\\n\"\n";

fn rollback(stage: &Stage, more: &[&str]) -> snapback_testkit::program::Ended {
    stage.deploy(&[&["rollback", "--yes", "--volatile-guard"], more].concat()).run()
}

#[test]
fn a_confirmed_run_is_rolled_back_guarded_and_its_handlers_run() {
    let stage = Stage::new();
    stage.fleet(HANDLED);
    stage.change().run().must_exit(0).must_say("1 confirmed");
    stage.host().await_over();
    assert_eq!(stage.host().read("etc/motd"), "new\n");
    let ended = rollback(&stage, &[]).must_exit(0).must_say("1 confirmed").must_say("back to before run");
    ended.must_say("deploying it again brings it back");
    stage.host().await_over();
    assert_eq!(stage.host().read("etc/motd"), "old\n");
    assert_eq!(stage.host().read("seen"), "new\nold\n");
    let ended = stage.deploy(&["history", "--hosts"]).run().must_exit(0).must_say("undone since");
    ended.must_say("a rollback").must_say("tester@");
    // What was undone is no candidate, and neither is the rollback.
    rollback(&stage, &[]).must_exit(0).must_say("nothing is pending");
    assert_eq!(stage.host().read("etc/motd"), "old\n");
}

#[test]
fn a_rollback_that_can_not_be_confirmed_is_undone() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    stage.change().run().must_exit(0);
    stage.host().await_over();
    // Red as soon as the old file is back.
    stage.fleet(&format!(
        "{MOTD}{}",
        "[[checks]]\nname = \"new\"\nwhere = \"remote\"\nrun = 'grep -q new \"$VAR_ROOT/etc/motd\"'\nhealthy_deadline = \"1s\"\n"
    ));
    rollback(&stage, &[]).must_exit(1).must_say("1 rolled_back");
    stage.host().await_over();
    assert_eq!(stage.host().read("etc/motd"), "new\n", "the present is put back");
}

#[test]
fn back_to_before_a_run_that_not_all_hosts_had() {
    let stage = Stage::of(&["one.test", "two.test"]);
    stage.fleet(MOTD);
    stage.deploy(&["fleet.toml", "--yes", "--volatile-guard", "--limit", "one.test"]).run().must_exit(0);
    stage.hosts[0].await_over();
    let ended = rollback(&stage, &[]).must_exit(0);
    ended.must_say("1 confirmed").must_say("1 unchanged");
    assert_eq!([stage.hosts[0].read("etc/motd"), stage.hosts[1].read("etc/motd")], ["old\n", "old\n"]);
}

#[test]
fn what_is_no_longer_held_is_refused_before_arming_with_a_sentence() {
    let stage = Stage::new();
    stage.fleet(&format!("{MOTD}[history]\nkeep = 1\n"));
    let told = stage.change_told(0);
    let run = told[0]["run"].as_str().unwrap().to_owned();
    stage.host().await_over();
    stage.fleet(&format!("{}[history]\nkeep = 1\n", MOTD.replace("new", "newer")));
    stage.change().run().must_exit(0);
    stage.host().await_over();
    rollback(&stage, &["--to", &run]).must_exit(1).must_say("no longer keeps run").must_say(&run);
    assert_eq!(stage.host().read("etc/motd"), "newer\n");
    rollback(&stage, &["--dry-run"]).must_exit(2);
    stage.deploy(&["rollback", "--dry-run"]).run().must_exit(0).must_say("put back");
    assert_eq!(stage.host().read("etc/motd"), "newer\n");
}

#[test]
fn what_somebody_else_changed_since_is_shown_as_a_conflict() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    stage.change().run().must_exit(0);
    stage.host().await_over();
    stage.host().write("etc/motd", "by hand\n");
    stage.deploy(&["rollback", "--dry-run"]).run().must_exit(0).must_say("CONFLICT");
    assert_eq!(stage.host().read("etc/motd"), "by hand\n");
}
