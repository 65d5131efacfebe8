//! Command lines that are wrong.

use crate::desk::{Desk, RIGHT};

#[test]
fn a_missing_file_with_the_one_that_was_meant() {
    let desk = Desk::new();
    desk.write("shop.toml", RIGHT);
    let told = desk.is_wrong(&["shp.toml", "--yes"]);
    assert_eq!(told.err, "error: there is no fleet file shp.toml\n  hint: did you mean ./shop.toml?\n");
    desk.is_wrong(&["plan"]).must_say("there is no fleet file ./fleet.toml").must_say("deploy init");
}

#[test]
fn a_subcommand_that_there_is_none_of() {
    let desk = Desk::new();
    let told = desk.is_wrong(&["stauts"]);
    assert_eq!(told.err, "error: there is no fleet file stauts\n  hint: did you mean `deploy status`?\n");
    desk.is_wrong(&["rollbak", "--limit", "web1"]).must_say("`deploy rollback`");
    desk.is_wrong(&["stauts.toml"]).must_say("deploy init");
}

#[test]
fn a_flag_that_there_is_none_of() {
    let desk = Desk::new();
    desk.write("fleet.toml", RIGHT);
    desk.is_wrong(&["fleet.toml", "--yess"]).must_say("--yes");
    desk.is_wrong(&["fleet.toml", "--var", "novalue"]).must_say("NAME=VALUE");
    desk.is_wrong(&["fleet.toml", "--output", "yaml"]).must_say("human").must_say("json");
    desk.is_wrong(&["fleet.toml", "--dry-run", "--yes"]).must_say("cannot be used with");
    desk.is_wrong(&["resolve"]).must_say("--accept");
}

#[test]
fn a_limit_that_chooses_nobody() {
    let desk = Desk::new();
    desk.write("fleet.toml", RIGHT);
    desk.is_wrong(&["fleet.toml", "--yes", "--limit", "app09.example.org"]).must_say("app09.example.org");
    desk.is_wrong(&["fleet.toml", "--yes", "--limit", "tag:db"]).must_say("tag:db");
    desk.is_wrong(&["fleet.toml", "--yes", "--limit", ""]).must_say("--limit");
}

#[test]
fn bare_it_prints_its_help() {
    let desk = Desk::new();
    desk.is_wrong(&[]).must_say("Usage: deploy").must_say("status").must_say("rollback");
    desk.is_wrong(&["--yes"]).must_say("fleet");
    let help = desk.deploy(&["--help"]).run().must_exit(0);
    assert!(help.out.contains("Usage: deploy") && help.err.is_empty(), "{help}");
    desk.deploy(&["--version"]).run().must_exit(0).must_say("deploy ");
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nobody_contacted() {
    let desk = Desk::new();
    desk.write("fleet.toml", RIGHT);
    desk.is_wrong(&["fleet.toml"]).must_say("--yes");
    desk.is_wrong(&["forget"]).must_say("--yes");
    desk.is_wrong(&["unlock"]).must_say("--yes");
    desk.is_wrong(&["unlock", "app01.example.org"]).must_say("--yes");
}

#[test]
fn what_every_command_takes_may_stand_before_it() {
    let desk = Desk::new();
    desk.is_wrong(&["--state-dir", "x", "-v", "plan", "none.toml"])
        .must_say("there is no fleet file none.toml");
    desk.is_wrong(&["--yes", "plan"]).must_say("--yes before `plan` means nothing to it");
}

#[test]
fn hosts_that_are_named_must_be_in_the_fleet_and_waiting_needs_a_unit() {
    let desk = Desk::new();
    desk.write("fleet.toml", RIGHT);
    for command in ["unlock", "history"] {
        desk.is_wrong(&[command, "app09.example.org"]).must_say("app09.example.org");
        desk.is_wrong(&[command, "app01.example.org", "--limit", "tag:db"]).must_say("tag:db");
        desk.is_wrong(&[command, "app01.example.org", "other.toml"])
            .must_say("there is no fleet file other.toml");
    }
    desk.is_wrong(&["fleet.toml", "--yes", "--lock-wait", "10"]).must_say("--lock-wait");
    desk.is_wrong(&["fleet.toml", "--dry-run", "--lock-wait", "10m"]).must_say("cannot be used with");
}
