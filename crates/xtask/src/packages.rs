//! Installing what isn't there, with the machine's own package manager, and saying so.

use crate::machine::{Root, has};
use std::fmt;

/// The package managers we speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Apk,
}

/// A program, and the package that brings it; empty where a distribution has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    program: &'static str,
    apt: &'static str,
    dnf: &'static str,
    apk: &'static str,
}

const fn need(program: &'static str, apt: &'static str, dnf: &'static str, apk: &'static str) -> Need {
    Need { program, apt, dnf, apk }
}

/// The one thing that the demo needs.
pub(crate) const SSHD: &[Need] = &[
    need("sshd", "openssh-server", "openssh-server", "openssh-server"),
    need("ssh", "openssh-client", "openssh-clients", "openssh-client-default"),
    need("ssh-keygen", "openssh-client", "openssh", "openssh-keygen"),
];

/// What the tests need besides.
pub(crate) const TESTS: &[Need] = &[
    need("shellcheck", "shellcheck", "ShellCheck", "shellcheck"),
    need("dash", "dash", "dash", "dash"),
    need("bash", "bash", "bash", "bash"),
    need("busybox", "busybox", "busybox", "busybox"),
    need("mksh", "mksh", "mksh", "mksh"),
    need("sudo", "sudo", "sudo", "sudo"),
    need("setfacl", "acl", "acl", "acl"),
    need("getfattr", "attr", "attr", "attr"),
    need("ps", "procps", "procps-ng", "procps"),
    need("strace", "strace", "strace", "strace"),
    need("tar", "tar", "tar", "tar"),
    need("faketime", "faketime", "libfaketime", "libfaketime"),
];

/// What the lab needs besides.
pub(crate) const LAB: &[Need] = &[
    need("debootstrap", "debootstrap", "debootstrap", "debootstrap"),
    need("systemd-nspawn", "systemd-container", "systemd-container", ""),
    need("nft", "nftables", "nftables", "nftables"),
    need("ip", "iproute2", "iproute", "iproute2"),
    need("nsenter", "util-linux", "util-linux", "util-linux-misc"),
    need("unshare", "util-linux", "util-linux", "util-linux-misc"),
    need("setpriv", "util-linux", "util-linux", "setpriv"),
    need("mkfs.ext4", "e2fsprogs", "e2fsprogs", "e2fsprogs"),
    need("mkfs.btrfs", "btrfs-progs", "btrfs-progs", "btrfs-progs"),
    need("losetup", "mount", "util-linux", "losetup"),
    need("qemu-system-x86_64", "qemu-system-x86", "qemu-system-x86-core", "qemu-system-x86_64"),
    need("xz", "xz-utils", "xz", "xz"),
];

impl Need {
    fn package(self, manager: Manager) -> &'static str {
        match manager {
            Manager::Apt => self.apt,
            Manager::Dnf => self.dnf,
            Manager::Apk => self.apk,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)
    }
}

/// Installs what is missing of `needs`, and returns what is missing still.
pub(crate) fn install(needs: &[&[Need]], root: Root) -> Vec<Need> {
    let missing = missing(needs);
    let Some(manager) = manager() else { return missing };
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package(manager)).collect();
    packages.retain(|package| !package.is_empty());
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() || root == Root::No {
        return missing;
    }
    println!("xtask: installing {}", packages.join(" "));
    for line in command_lines(manager) {
        let mut command = root.command("env");
        command.args(["DEBIAN_FRONTEND=noninteractive"]).args(*line);
        if line.contains(&"install") || line.contains(&"add") {
            command.args(&packages);
        }
        // What could not be installed is looked for again below, and named.
        let _ = command.status();
    }
    self::missing(needs)
}

fn missing(needs: &[&[Need]]) -> Vec<Need> {
    needs.iter().copied().flatten().copied().filter(|need| !has(need.program)).collect()
}

fn manager() -> Option<Manager> {
    let known = [("apt-get", Manager::Apt), ("dnf", Manager::Dnf), ("apk", Manager::Apk)];
    known.into_iter().find(|(program, _)| has(program)).map(|(_, manager)| manager)
}

fn command_lines(manager: Manager) -> &'static [&'static [&'static str]] {
    match manager {
        Manager::Apt => {
            &[&["apt-get", "update", "-q"], &["apt-get", "install", "-y", "-q", "--no-install-recommends"]]
        }
        Manager::Dnf => &[&["dnf", "install", "-y", "--setopt=install_weak_deps=False"]],
        Manager::Apk => &[&["apk", "add"]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_and_a_present_one_is_not() {
        let needs = [need("sh", "", "", ""), need("no-such-program", "", "", "")];
        let left: Vec<&str> = install(&[&needs], Root::No).iter().map(|need| need.program).collect();
        assert_eq!(left, ["no-such-program"]);
    }
}
