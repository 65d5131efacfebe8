//! A small disk for state and content, in a mount namespace of the case's own thread: it fills, runs out of inodes,
//! turns read-only, or has a quota that is exhausted. Needs root; without it those faults are left out.

use crate::target::Target;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The disk.
pub struct Disk {
    folder: PathBuf,
    state: PathBuf,
    /// What bounds it is a quota, and not its size.
    pub quota: bool,
}

impl Disk {
    /// Mounts one below a target, for state and content; with a quota, where that is wanted and can be had.
    pub fn mount(target: &Target, quota: bool) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let folder = target.path().join("disk");
        fs::create_dir(&folder).unwrap();
        let quota = quota && mount_with_quota(&target.path().join("image"), &folder);
        if !quota {
            mount(Some("small"), &folder, Some("tmpfs"), MsFlags::empty(), Some("size=4m,nr_inodes=600"))
                .unwrap();
        }
        for name in ["state", "dest"] {
            fs::create_dir(folder.join(name)).unwrap();
            mount(Some(&folder.join(name)), &target.path().join(name), none, MsFlags::MS_BIND, none).unwrap();
        }
        Some(Self { folder, state: target.state(), quota })
    }

    /// Takes all its space.
    pub fn fill(&self) {
        // Without an inode for it there is nothing to fill any more.
        let Ok(mut file) = File::create(self.folder.join("filler")) else { return };
        for size in [65536, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Takes all its inodes.
    pub fn fill_inodes(&self) {
        let folder = self.folder.join("fillers");
        if fs::create_dir(&folder).is_ok() {
            for n in 0.. {
                if File::create(folder.join(n.to_string())).is_err() {
                    return;
                }
            }
        }
    }

    /// Makes the state's mount read-only, as soon as nobody has a file of it open for writing.
    pub fn read_only(&self) -> bool {
        for _ in 0..200 {
            if self.remount(MsFlags::MS_RDONLY) {
                return true;
            }
            sleep(Duration::from_millis(2));
        }
        false
    }

    fn remount(&self, flags: MsFlags) -> bool {
        let none: Option<&str> = None;
        mount(none, &self.state, none, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags, none).is_ok()
    }

    /// Gives everything back.
    pub fn mend(&self) {
        let _ = fs::remove_file(self.folder.join("filler"));
        let _ = fs::remove_dir_all(self.folder.join("fillers"));
        self.remount(MsFlags::empty());
    }
}

/// Makes a file system whose quota binds root as well: that of btrfs does.
fn mount_with_quota(image: &Path, folder: &Path) -> bool {
    let run = |words: &[&str], paths: &[&Path]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(paths).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    run(&["truncate", "-s", "128M"], &[image])
        && run(&["mkfs.btrfs", "-q"], &[image])
        && run(&["mount", "-o", "loop"], &[image, folder])
        && run(&["btrfs", "quota", "enable"], &[folder])
        && run(&["btrfs", "qgroup", "limit", "6M"], &[folder])
}

impl Drop for Disk {
    /// The target's folders can only be removed when nothing is mounted on them.
    fn drop(&mut self) {
        let beside = |name: &str| self.state.with_file_name(name);
        for point in [self.state.clone(), beside("dest"), self.folder.clone()] {
            let _ = umount2(&point, MntFlags::MNT_DETACH);
        }
    }
}
