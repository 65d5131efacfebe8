//! The change locks the controller out: the host comes back by itself, in time, and it is said why.

use crate::stage::{MOTD, Stage, end_of};
use std::time::Duration;

/// The longest that an undo may begin after its deadline, in milliseconds, while the supervisor lives.
const LATEST_MS: u64 = 1000;

/// A change that takes the controller's key away. The guard watches the file.
fn remove_key(stage: &Stage) -> String {
    let keys = stage.host().sshd.path("authorized_keys");
    format!(
        "{MOTD}[[changes]]\nname = \"keys\"\nkind = \"script\"\napply = \"echo none >'{0}'\"\nwatch = [\"{0}\"]\n",
        keys.display()
    )
}

#[test]
fn a_removed_key_comes_back_and_the_summary_says_why_and_what_is_now() {
    let stage = Stage::new();
    let host = stage.host();
    let (before, keys) = (host.tree(), host.sshd.path("authorized_keys"));
    let key = std::fs::read_to_string(&keys).unwrap();
    stage.fleet(&remove_key(&stage));
    let ended = stage.change().run().must_exit(1).must_say("1 rolled_back").must_say("the old state is back");
    let ended = ended.must_say("no fresh connection could confirm it").must_say("takes none of our keys");
    assert!(ended.err.contains("web.test: rolled_back"), "{ended}");
    assert_eq!(std::fs::read_to_string(keys).unwrap(), key);
    assert_eq!(host.tree(), before);
    assert!(host.late_ms() <= LATEST_MS, "{} ms late", host.late_ms());
}

/// A change that tells the test that it has been applied.
const TELLING: &str = "[[changes]]\nname = \"tell\"\nkind = \"script\"\ntimeout = \"2s\"\napply = 'touch \"$VAR_ROOT/applied\"'\n\
                       rollback = 'rm -f \"$VAR_ROOT/applied\"'\n";

#[test]
fn a_host_that_falls_silent_is_read_back_once_it_can_be_reached_again() {
    let stage = Stage::new();
    let host = stage.host();
    let before = host.tree();
    stage.fleet(&format!("{MOTD}{TELLING}"));
    let mut running = stage.change_json().start();
    running.await_that("the change is applied", || host.file("applied").exists());
    host.relay.blackhole();
    host.await_over();
    assert_eq!(host.tree(), before, "nobody has to come back for that");
    host.relay.pass();
    let told = crate::stage::told(&running.end().must_exit(1));
    let end = end_of(&told, "web.test");
    assert_eq!(end["result"], "rolled_back");
    assert!(end["state"].as_str().unwrap().contains("the old state is back"), "{end}");
    assert!(host.late_ms() <= LATEST_MS, "{} ms late", host.late_ms());
}

#[test]
fn a_closed_port_is_a_lock_out_too() {
    let mut stage = Stage::new();
    let before = stage.host().tree();
    stage.fleet(&format!("{MOTD}{TELLING}"));
    let mut running = stage.change().start();
    running.await_that("the change is applied", || stage.host().file("applied").exists());
    // The listener goes, the session that follows the journal stays: only a fresh connection notices.
    stage.hosts[0].sshd.stop();
    stage.host().await_over();
    stage.hosts[0].sshd.listen_again();
    running.end().must_exit(1).must_say("rolled_back");
    assert_eq!(stage.host().tree(), before);
    assert!(stage.host().late_ms() <= LATEST_MS, "{} ms late", stage.host().late_ms());
}

#[test]
fn a_host_that_never_comes_back_is_unknown_and_needs_a_person() {
    let stage = Stage::new();
    let host = stage.host();
    let before = host.tree();
    // A script alone: its undo is over within seconds, and that is how long the controller goes on asking.
    stage.fleet(TELLING);
    let mut running = stage.change().limit(Duration::from_secs(120)).start();
    running.await_that("the change is applied", || host.file("applied").exists());
    host.relay.cut();
    let ended = running.end().must_exit(3).must_say("1 unknown").must_say("deploy status");
    assert!(ended.err.contains("not read back"), "{ended}");
    assert_eq!(host.tree(), before, "the guard has undone it all the same");
}
