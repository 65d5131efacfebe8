//! The examples of `docs/fleet-toml.md` are fleet files that load.

#![allow(clippy::unwrap_used, reason = "a test that can't go on shall stop")]

use snapback_fleet::{LoadRequest, load};

/// Returns the TOML blocks of the page.
fn blocks() -> Vec<String> {
    let page = std::fs::read_to_string("../../docs/fleet-toml.md").unwrap();
    page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_example_loads() {
    let blocks = blocks();
    assert!(blocks.len() >= 8, "the examples are gone");
    assert!(blocks.iter().any(|block| !block.starts_with("# part\n")), "no example is a whole file");
    for block in blocks {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fleet.toml");
        for (name, text) in [("config/shop.conf.j2", "listen 80\n"), ("scripts/qos.sh", "#!/bin/sh\n")] {
            std::fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        // A part shows some tables only; it needs no more than a host to be whole.
        let part = block.starts_with("# part\n") && !block.contains("[hosts.");
        let text = if part { format!("{block}[hosts.app01]\n") } else { block };
        std::fs::write(&file, &text).unwrap();
        let fleet =
            load(&file, &LoadRequest::default()).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
        assert!(!fleet.jobs.is_empty());
    }
}
