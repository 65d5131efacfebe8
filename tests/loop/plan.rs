//! Looking changes nothing, and nothing happens unasked.

use crate::stage::{MOTD, Stage, end_of, tree};

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
