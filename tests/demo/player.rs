//! Who runs the demo: whoever runs the tests, and an ordinary user who is nobody else on this machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// A user id that no machine gives away.
const ORDINARY: u32 = 61_234;

/// Demos one after another: side by side on a small machine they would be slower than they promise.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static STAGE: Mutex<()> = Mutex::new(());
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The demo, as whoever runs the tests.
pub(crate) fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
    command.arg("demo").env_remove("TMPDIR");
    command
}

/// The demo as an ordinary user with a home of their own. Root makes them up in a mount namespace, where /etc/passwd
/// has one more line; for anybody else the two demos are the same.
pub(crate) fn ordinary_demo(home: &TempDir) -> Command {
    if !is_root() {
        let mut command = demo();
        command.env("HOME", home.path());
        return command;
    }
    let path = |name: &str| home.path().join(name);
    fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_deploy"), path("deploy")).unwrap();
    fs::create_dir(path("home")).unwrap();
    std::os::unix::fs::chown(path("home"), Some(ORDINARY), Some(ORDINARY)).unwrap();
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let account = format!("player:x:{ORDINARY}:{ORDINARY}::{}:/bin/sh\n", path("home").display());
    fs::write(path("passwd"), accounts + &account).unwrap();
    let script = format!(
        "mount --bind '{0}/passwd' /etc/passwd && exec setpriv --reuid={ORDINARY} --regid={ORDINARY} \
         --clear-groups --no-new-privs env -i HOME='{0}/home' PATH=/usr/bin:/bin '{0}/deploy' demo",
        home.path().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    command
}
