//! A small disk for state and content, in a mount namespace of the case's own thread: it fills, runs out of inodes,
//! and turns read-only. Needs root; without it those faults are left out.

use crate::target::Target;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

/// The disk.
pub struct Disk {
    folder: PathBuf,
    state: PathBuf,
}

impl Disk {
    /// Mounts one below a target, for state and content.
    pub fn mount(target: &Target) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let folder = target.path().join("disk");
        fs::create_dir(&folder).unwrap();
        mount(Some("small"), &folder, Some("tmpfs"), MsFlags::empty(), Some("size=4m,nr_inodes=600"))
            .unwrap();
        for name in ["state", "dest"] {
            fs::create_dir(folder.join(name)).unwrap();
            mount(Some(&folder.join(name)), &target.path().join(name), none, MsFlags::MS_BIND, none).unwrap();
        }
        Some(Self { folder, state: target.state() })
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

impl Drop for Disk {
    /// The target's folders can only be removed when nothing is mounted on them.
    fn drop(&mut self) {
        let beside = |name: &str| self.state.with_file_name(name);
        for point in [self.state.clone(), beside("dest"), self.folder.clone()] {
            let _ = umount2(&point, MntFlags::MNT_DETACH);
        }
    }
}
