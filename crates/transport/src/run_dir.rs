//! The private directory of a run: sockets, wrapper configurations, pinned keys.

use crate::options::SetupError;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

const PREFIX: &str = "snapback-";

/// A socket's path may have 104 bytes on the narrowest system, and ssh first binds it with a suffix of 17.
const LONGEST: usize = 60;

/// What the directory's own name may take of [`LONGEST`]: the prefix, a pid, four random characters.
const OWN_NAME: usize = PREFIX.len() + 7 + 1 + 4 + 1;

/// A directory that only we can enter, removed when the last user of it is gone.
#[derive(Debug)]
pub(crate) struct RunDir {
    dir: TempDir,
    next: AtomicU64,
    /// Held as long as we live: a sweeper that gets it knows that the directory is nobody's.
    _alive: Flock<File>,
}

impl RunDir {
    /// Makes one, after sweeping those that dead controllers left beside it.
    pub(crate) fn make(base: Option<&Path>) -> Result<Self, SetupError> {
        let base = base.map_or_else(usual_base, Path::to_owned);
        if !fits(&base) {
            return Err(SetupError::BadRunDir { base, longest: LONGEST - OWN_NAME });
        }
        sweep(&base);
        let failed = |source| SetupError::RunDir { base: base.clone(), source };
        let dir = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .rand_bytes(4)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&base)
            .map_err(failed)?;
        let alive = lock(dir.path()).map_err(failed)?;
        Ok(Self { dir, next: AtomicU64::new(0), _alive: alive })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns a path in it that nobody else gets.
    pub(crate) fn fresh(&self, suffix: &str) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.path().join(format!("{number}.{suffix}"))
    }

    /// Writes a file that only we can read.
    pub(crate) fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        io::Write::write_all(&mut file, text.as_bytes())
    }
}

/// `$XDG_RUNTIME_DIR` where it is usable, else `/tmp`: the usual `$TMPDIR` may be far too long for a socket.
fn usual_base() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| fits(dir) && dir.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Whether sockets below it have short enough paths that need no quoting in an ssh configuration.
fn fits(base: &Path) -> bool {
    base.is_absolute()
        && base.as_os_str().len() + OWN_NAME <= LONGEST
        && base.to_str().is_some_and(|text| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-'))
        })
}

fn lock(dir: &Path) -> io::Result<Flock<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("alive"))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

/// Removes directories of ours whose controller is dead. What can't be read or removed is left alone.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        if is_left_over(&entry)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!(%error, path = %entry.path().display(), "a left-over directory stays");
        }
    }
}

fn is_left_over(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let Some(pid) = name.to_str().and_then(controller) else { return false };
    let Ok(meta) = entry.metadata() else { return false };
    let ours = meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw();
    // The pid alone would do, were it not for containers that share a /tmp and not their pids; the lock alone
    // would do, were it not for a controller that has made its directory and not yet locked it.
    ours && !Path::new("/proc").join(pid.to_string()).exists() && lock(&entry.path()).is_ok()
}

/// The pid in a directory's name, if it is one of ours.
fn controller(name: &str) -> Option<u32> {
    let (pid, random) = name.strip_prefix(PREFIX)?.split_once('-')?;
    (random.len() == 4).then(|| pid.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> TempDir {
        tempfile::Builder::new().prefix("b").rand_bytes(4).tempdir_in("/tmp").unwrap()
    }

    #[test]
    fn left_over_directories_of_dead_controllers_are_swept_and_nothing_else() {
        let base = base();
        let dead = base.path().join("snapback-4194999-abcd");
        let alive = base.path().join(format!("snapback-{}-abcd", std::process::id()));
        let locked = base.path().join("snapback-4194998-abcd");
        let foreign = base.path().join("snapback-notes-abcd");
        for dir in [&dead, &alive, &locked, &foreign] {
            fs::create_dir(dir).unwrap();
        }
        let _held = lock(&locked).unwrap();
        let run = RunDir::make(Some(base.path())).unwrap();
        assert!(!dead.exists());
        assert!(alive.exists() && locked.exists() && foreign.exists());
        assert_eq!(fs::metadata(run.path()).unwrap().mode() & 0o777, 0o700);
        let path = run.path().to_owned();
        drop(run);
        assert!(!path.exists());
    }

    #[test]
    fn a_base_that_ssh_would_stumble_over_is_refused() {
        for bad in ["relative", "/tmp/with space", "/tmp/%h", &format!("/{}", "x".repeat(60))] {
            assert!(matches!(RunDir::make(Some(Path::new(bad))), Err(SetupError::BadRunDir { .. })), "{bad}");
        }
    }
}
