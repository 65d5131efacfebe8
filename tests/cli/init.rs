//! The fleet file to begin with.

use crate::desk::Desk;
use std::fs;

#[test]
fn init_writes_a_file_that_loads_and_names_the_next_step() {
    let desk = Desk::new();
    desk.deploy(&["init", "web1.example.org", "web 2"]).run().must_exit(2);
    assert!(!desk.path().join("fleet.toml").exists(), "half of what was asked is not done");
    let told = desk.deploy(&["init", "web1.example.org", "web2"]).run().must_exit(0);
    let told = told.must_say("wrote ./fleet.toml").must_say("deploy doctor ./fleet.toml");
    let text = fs::read_to_string(desk.path().join("fleet.toml")).unwrap();
    assert!(text.contains("web1.example.org") && text.contains("web2"), "{told}");
    // It loads: what is wrong with it is only that nobody can be asked here.
    desk.is_wrong(&["fleet.toml"]).must_say("--yes");
}

#[test]
fn init_never_overwrites() {
    let desk = Desk::new();
    desk.write("fleet.toml", "mine\n");
    desk.is_wrong(&["init", "web1"]).must_say("exists already");
    assert_eq!(fs::read_to_string(desk.path().join("fleet.toml")).unwrap(), "mine\n");
    desk.deploy(&["init", "web1", "--file", "other.toml"]).run().must_exit(0);
    assert!(desk.path().join("other.toml").exists());
    desk.is_wrong(&["init", "web1", "--file", "no/such/folder.toml"]).must_say("no/such/folder.toml");
    desk.is_wrong(&["init"]).must_say("HOST");
}
