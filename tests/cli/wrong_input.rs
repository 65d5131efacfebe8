//! Wrong input: exit 2, the place and a hint, nobody contacted, nothing written.

use crate::desk::Desk;

const FILE: &str = "[[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"x\"\ndest = \"/tmp/x\"\n";

/// All texts must be said.
fn says(said: &str, texts: &[&str]) {
    for text in texts {
        assert!(said.contains(text), "{text:?} is not said in:\n{said}");
    }
}

#[test]
fn a_missing_file_suggests_the_one_that_was_meant() {
    let desk = Desk::new();
    desk.fleet(FILE);
    says(&desk.refused_with(&["flet.toml", "--yes"]), &["there is no fleet file flet.toml", "fleet.toml?"]);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_key_that_was_meant() {
    let desk = Desk::new();
    desk.fleet(&format!("prot = 22\n{FILE}"));
    says(&desk.refused(), &["prot", "fleet.toml:4:1", "`port`"]);
}

#[test]
fn a_key_that_comes_later_is_refused_and_not_ignored() {
    let desk = Desk::new();
    desk.fleet(&format!("{FILE}[rollout]\ncanary = 1\n"));
    says(&desk.refused(), &["canary", "not yet supported", "fleet.toml:"]);
}

#[test]
fn a_duration_without_a_unit_is_refused() {
    let desk = Desk::new();
    desk.fleet(&format!("{FILE}[confirm]\ntimeout = \"90\"\n"));
    says(&desk.refused(), &["\"90\"", "90s", "fleet.toml:10:11"]);
}

#[test]
fn a_source_that_is_not_there_is_refused() {
    let desk = Desk::new();
    desk.fleet("[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"nowhere\"\ndest = \"/tmp/x\"\n");
    says(&desk.refused(), &["nowhere", "fleet.toml:7:10"]);
}

#[test]
fn a_template_error_names_the_template_and_its_line() {
    let desk = Desk::new();
    desk.write("conf.j2", "first\n{{ unknown_value }}\n");
    desk.fleet(
        "[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"conf.j2\"\ntemplate = \"*.j2\"\ndest = \"/tmp/x\"\n",
    );
    says(&desk.refused(), &["conf.j2:2", "unknown_value"]);
}

#[test]
fn a_host_that_is_there_twice_is_refused() {
    let desk = Desk::new();
    desk.write("more.toml", "[hosts.web1]\n");
    desk.write("fleet.toml", &format!("include = [\"more.toml\"]\n[hosts.web1]\n{FILE}"));
    says(&desk.refused(), &["web1", "more.toml"]);
}

#[test]
fn a_selector_that_matches_nothing_is_refused() {
    let desk = Desk::new();
    desk.fleet(&FILE.replace("kind", "on = \"tag:db\"\nkind"));
    says(&desk.refused(), &["tag:db", "fleet.toml:5:"]);
    desk.fleet(FILE);
    says(&desk.refused_with(&["fleet.toml", "--yes", "--limit", "db*"]), &["db*", "--limit"]);
}

#[test]
fn files_that_include_each_other_are_refused() {
    let desk = Desk::new();
    desk.write("other.toml", "include = [\"fleet.toml\"]\n");
    desk.write("fleet.toml", &format!("include = [\"other.toml\"]\n[hosts.web1]\n{FILE}"));
    says(&desk.refused(), &["other.toml", "fleet.toml"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let desk = Desk::new();
    desk.fleet(&format!("prot = 22\n{FILE}[confirm]\ntimeout = \"90\"\nsettel = \"1s\"\n"));
    says(&desk.refused(), &["prot", "\"90\"", "settel"]);
}

#[test]
fn without_a_terminal_and_without_yes_nobody_is_asked_and_nothing_is_done() {
    let desk = Desk::new();
    desk.fleet(FILE);
    says(&desk.refused_with(&["fleet.toml"]), &["no terminal", "--yes", "--dry-run"]);
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let desk = Desk::new();
    desk.fleet(FILE);
    says(&desk.refused_with(&["fleet.toml", "--yes", "--dry-run"]), &["--dry-run"]);
    says(&desk.refused_with(&["fleet.toml", "--yez"]), &["--yez"]);
    says(&desk.refused_with(&["fleet.toml", "--var", "novalue"]), &["NAME=VALUE"]);
}
