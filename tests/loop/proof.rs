//! More than one fresh connection: probes, and vantage points through a jump host.

use crate::stage::{MOTD, Stage, end_of};

/// A fleet of `web.test` alone with these lines in `[confirm]`; other hosts of the stage are for jumping.
fn fleet(stage: &Stage, confirm: &str) {
    let head = stage.head();
    let (head, _) = head.split_once("[hosts.\"jump.test\"]").unwrap_or((&head, ""));
    let limits = "[confirm]\ntimeout = \"6s\"\napply_timeout = \"20s\"\nsettle = \"0s\"\n";
    stage.write("fleet.toml", format!("{head}{limits}{confirm}\n{MOTD}"));
}

#[test]
fn each_probe_is_a_connection_of_its_own_that_logs_in() {
    let stage = Stage::new();
    fleet(&stage, "probes = 3");
    stage.change_told(0);
    assert_eq!(stage.accepted(), 4, "the arming one, two probes and the confirming one");
    let log = stage.host().sshd.log();
    assert_eq!(log.matches("Accepted publickey").count(), 4, "{log}");
}

#[test]
fn a_vantage_point_through_a_jump_host_gets_in_or_the_host_is_rolled_back_with_its_name() {
    let stage = Stage::of(&["web.test", "jump.test"]);
    fleet(&stage, "via = [\"direct\", \"jump.test\"]");
    stage.change_told(0);
    assert_eq!(stage.hosts[1].relay.accepted(), 1, "one connection went through the jump host");
    stage.hosts[0].await_over();
    stage.hosts[0].write("etc/motd", "old\n");
    stage.hosts[1].relay.cut();
    let told = stage.change_told(1);
    let end = end_of(&told, "web.test");
    assert_eq!(end["result"], "rolled_back");
    assert!(end["cause"].as_str().unwrap().contains("via jump.test: "), "{end}");
    assert_eq!(stage.hosts[0].read("etc/motd"), "old\n");
}
