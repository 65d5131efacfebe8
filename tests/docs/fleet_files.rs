//! Fleet files on pages, and the one that ships.

use crate::pages::{pages, top};
use snapback_core::change::ChangeKind;
use snapback_core::check::Where;
use snapback_fleet::{Fleet, LoadRequest, load};
use std::fs;
use std::path::Path;

fn load_or_panic(path: &Path) -> Fleet {
    load(path, &LoadRequest::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_fleet_file_on_a_page_loads() {
    let mut loaded = 0;
    for page in pages() {
        for block in page.blocks("toml").into_iter().filter(|block| block.lines().any(|l| l.starts_with('[')))
        {
            let dir = tempfile::tempdir().unwrap();
            for (name, text) in [("config/shop.conf.j2", "listen 80\n"), ("scripts/qos.sh", "#!/bin/sh\n")] {
                fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
                fs::write(dir.path().join(name), text).unwrap();
            }
            // A part shows some tables only; it needs no more than a host to be whole.
            let host = if block.contains("[hosts.") { "" } else { "[hosts.app01]\ntags = [\"app\"]\n" };
            let file = dir.path().join("fleet.toml");
            fs::write(&file, format!("{block}\n{host}")).unwrap();
            if let Err(problems) = load(&file, &LoadRequest::default()) {
                panic!("{}:\n{block}\n{problems}", page.path);
            }
            loaded += 1;
        }
    }
    assert!(loaded >= 10, "the examples are gone");
}

#[test]
fn the_example_that_ships_is_what_its_comments_say() {
    let fleet = load_or_panic(&top().join("fleet.example.toml"));
    let hosts: Vec<_> = fleet.jobs.iter().map(|job| job.host.as_str()).collect();
    assert_eq!(hosts, ["app1.example.org", "app2.example.org", "app3.example.org"]);
    let job = &fleet.jobs[0];
    let files = |n: usize| match &job.changes[n].kind {
        ChangeKind::Files(files) => files.clone(),
        ChangeKind::Script(_) | ChangeKind::Revert(_) => panic!("a change of files is a script now"),
    };
    assert_eq!(files(0).entries[0].dest, "/etc/motd", "an empty root is no part of a path");
    assert!(files(1).validate.is_some() && files(1).handlers.len() == 1);
    let runs: Vec<_> = job.checks.iter().map(|check| check.runs).collect();
    assert_eq!(runs, [Where::Remote, Where::Local]);
    assert_eq!(job.confirm.window.as_secs(), 60);
}

#[test]
fn what_init_writes_loads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fleet.toml");
    let mut init = std::process::Command::new(env!("CARGO_BIN_EXE_deploy"));
    let output = init.args(["init", "web1.example.org", "--file"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(load_or_panic(&file).jobs.len(), 1);
}
