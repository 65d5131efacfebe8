//! A controller whose every attempt to contact a host leaves a trace.

use snapback_testkit::program::{Ended, Program};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A fleet file that is right; tests spoil it.
pub(crate) const RIGHT: &str = r#"name = "shop"

[defaults]
ssh_config = "./ssh_config"

[hosts."app[01-02].example.org"]
tags = ["app"]

[[changes]]
name = "motd"
kind = "files"

[[changes.files]]
content = "hello\n"
dest = "/etc/motd"
"#;

/// The controller.
pub(crate) struct Desk {
    dir: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("cli").rand_bytes(5).tempdir_in("/tmp").unwrap();
        let desk = Self { dir };
        for folder in ["home", "state", "run", "work"] {
            fs::create_dir(desk.dir.path().join(folder)).unwrap();
        }
        let marker = desk.marker().display().to_string();
        desk.write("ssh_config", &format!("Host *\n  ProxyCommand touch {marker}\n"));
        desk
    }

    fn marker(&self) -> PathBuf {
        self.dir.path().join("contacted")
    }

    pub(crate) fn was_anybody_contacted(&self) -> bool {
        self.marker().exists()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Writes a file in the folder that commands are run in.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Returns the command, there.
    pub(crate) fn deploy(&self, arguments: &[&str]) -> Program {
        let place = |name: &str| -> PathBuf { Path::new(self.dir.path()).join(name) };
        Program::new(env!("CARGO_BIN_EXE_deploy"))
            .args(arguments)
            .dir(&self.path())
            .env("HOME", place("home"))
            .env("XDG_STATE_HOME", place("state"))
            .env("XDG_RUNTIME_DIR", place("run"))
    }

    /// Asserts that these arguments are wrong: exit 2, said on standard error alone, and nobody contacted.
    pub(crate) fn is_wrong(&self, arguments: &[&str]) -> Ended {
        let ended = self.deploy(arguments).run().must_exit(2);
        assert_eq!(ended.out, "", "{ended}");
        assert!(!ended.err.is_empty(), "{ended}");
        assert!(!self.was_anybody_contacted(), "{ended}");
        let records = self.dir.path().join("state/snapback");
        assert!(!records.exists(), "nothing is recorded of what never was; {ended}");
        ended
    }

    /// Asserts that a fleet file is wrong, for all commands that read one.
    pub(crate) fn is_wrong_fleet(&self, text: &str) -> Ended {
        self.write("fleet.toml", text);
        for command in ["plan", "status", "confirm", "rollback", "doctor"] {
            let _ = self.is_wrong(&[command]);
        }
        self.is_wrong(&["fleet.toml", "--yes"])
    }
}
