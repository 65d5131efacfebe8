//! Fleet files that are wrong.

use crate::desk::{Desk, RIGHT};

#[test]
fn the_right_one_is_right_and_contact_leaves_a_trace() {
    let desk = Desk::new();
    desk.write("fleet.toml", RIGHT);
    desk.deploy(&["fleet.toml", "--yes"]).run().must_exit(4).must_say("2 unreachable");
    assert!(desk.was_anybody_contacted(), "else the other tests prove nothing");
}

#[test]
fn an_unknown_key_is_shown_with_the_one_that_was_meant() {
    let told = Desk::new().is_wrong_fleet(&RIGHT.replace("dest =", "mod = \"0640\"\ndest ="));
    assert_eq!(
        told.err,
        "\
error: unknown key `mod` in [[changes.files]]
  --> fleet.toml:15:1
   |
15 | mod = \"0640\"
   | ^^^
   |
   = help: did you mean `mode`?
"
    );
}

#[test]
fn a_bad_duration_is_shown_with_what_one_looks_like() {
    let told = Desk::new().is_wrong_fleet(&format!("{RIGHT}\n[confirm]\ntimeout = \"90\"\n"));
    assert_eq!(
        told.err,
        "\
error: \"90\" is no duration
  --> fleet.toml:18:11
   |
18 | timeout = \"90\"
   |           ^^^^
   |
   = help: it needs a unit: did you mean \"90s\"?
"
    );
}

#[test]
fn a_source_that_is_not_there() {
    Desk::new()
        .is_wrong_fleet(&RIGHT.replace("content = \"hello\\n\"", "source = \"motd.txt\""))
        .must_say("motd.txt")
        .must_say("fleet.toml:14");
}

#[test]
fn a_template_that_names_what_is_not_there_points_at_its_line() {
    let desk = Desk::new();
    desk.write("motd.j2", "one\ntwo {{ colour }}\n");
    let file = RIGHT.replace("content = \"hello\\n\"", "source = \"motd.j2\"\ntemplate = \"*.j2\"");
    desk.is_wrong_fleet(&file).must_say("colour").must_say("motd.j2:2");
    desk.write("motd.j2", "{% if %}\n");
    desk.is_wrong_fleet(&file).must_say("motd.j2:1");
}

#[test]
fn a_host_that_stands_twice() {
    let twice = RIGHT.replace("tags = [\"app\"]", "tags = [\"app\"]\n[hosts.\"app[02-03].example.org\"]");
    Desk::new().is_wrong_fleet(&twice).must_say("app02.example.org");
}

#[test]
fn a_selector_that_chooses_nobody() {
    let on = |selector: &str| RIGHT.replace("kind =", &format!("on = \"{selector}\"\nkind ="));
    let desk = Desk::new();
    desk.is_wrong_fleet(&on("tag:application")).must_say("tag:application");
    desk.is_wrong_fleet(&on("app01.example.org && !tag:app")).must_say("no host");
    desk.is_wrong_fleet(&on("app01 &&")).must_say("fleet.toml:");
}

#[test]
fn files_that_include_each_other() {
    let desk = Desk::new();
    desk.write("a.toml", "include = [\"b.toml\"]\n");
    desk.write("b.toml", "include = [\"a.toml\"]\n");
    desk.is_wrong_fleet(&RIGHT.replace("[defaults]", "include = [\"a.toml\"]\n[defaults]"))
        .must_say("a.toml")
        .must_say("b.toml");
}

#[test]
fn what_is_no_toml_and_what_is_no_text() {
    let desk = Desk::new();
    desk.is_wrong_fleet("[hosts\n").must_say("fleet.toml:1");
    std::fs::write(desk.path().join("bytes.toml"), [0xff, 0xfe, 0]).unwrap();
    desk.is_wrong(&["bytes.toml", "--yes"]).must_say("bytes.toml");
    std::fs::create_dir(desk.path().join("folder.toml")).unwrap();
    desk.is_wrong(&["folder.toml", "--yes"]).must_say("folder.toml");
}

#[test]
fn all_problems_are_told_at_once() {
    let two = RIGHT.replace("tags", "tgas").replace("kind = \"files\"", "kind = \"fils\"");
    let told = Desk::new().is_wrong_fleet(&two).must_say("tgas").must_say("`tags`").must_say("fils");
    assert!(told.err.matches("error: ").count() >= 2, "{told}");
}

#[test]
fn what_is_not_yet_supported_is_refused_and_never_ignored() {
    Desk::new()
        .is_wrong_fleet(&format!("{RIGHT}\n[inventory]\ncommand = [\"hosts\"]\n"))
        .must_say("not yet supported");
}
