//! `deploy init`.

use crate::desk::Desk;
use std::fs;

#[test]
fn init_writes_a_file_that_loads_and_overwrites_nothing() {
    let desk = Desk::new();
    assert_eq!(desk.deploy(&["init", "web1", "web2.example.org"]).code, Some(0));
    let text = fs::read_to_string(desk.path().join("fleet.toml")).unwrap();
    let fleet = snapback_fleet::load(&desk.path().join("fleet.toml"), &Default::default()).unwrap();
    assert_eq!(fleet.jobs.iter().map(|j| j.host.as_str()).collect::<Vec<_>>(), ["web1", "web2.example.org"]);
    let again = desk.refused_with(&["init", "web3"]);
    assert!(again.contains("exists already"), "{again}");
    assert_eq!(fs::read_to_string(desk.path().join("fleet.toml")).unwrap(), text);
}

#[test]
fn init_takes_no_name_that_ssh_could_misread() {
    let desk = Desk::new();
    let said = desk.refused_with(&["init", "--", "-oProxyCommand=x"]);
    assert!(said.contains("can't begin with '-'"), "{said}");
    assert!(!desk.path().join("fleet.toml").exists());
}
