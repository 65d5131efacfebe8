//! A user's desk: a folder, a home of its own, and an ssh configuration that notices every attempt to connect.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub(crate) struct Desk {
    folder: TempDir,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let proxy = format!("Host *\n  ProxyCommand touch {}\n", desk.path().join("contacted").display());
        desk.write("ssh_config", &proxy);
        desk
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A fleet file whose hosts would be noticed if they were contacted.
    pub(crate) fn fleet(&self, rest: &str) {
        self.write("fleet.toml", &format!("[defaults]\nssh_config = \"ssh_config\"\n[hosts.web1]\n{rest}"));
    }

    pub(crate) fn deploy(&self, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_deploy"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("XDG_STATE_HOME", self.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs `deploy fleet.toml --yes`, which must be refused without anybody being contacted.
    pub(crate) fn refused(&self) -> String {
        self.refused_with(&["fleet.toml", "--yes"])
    }

    pub(crate) fn refused_with(&self, arguments: &[&str]) -> String {
        let said = self.deploy(arguments);
        assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
        assert!(!self.path().join("contacted").exists(), "a host was contacted");
        assert!(!self.path().join("state").exists(), "a record was written");
        said.err
    }
}
