//! Keys, and the ssh configuration by which the controller reaches all hosts by name.

use super::error::LabError;
use super::network::address;
use super::paths::{LabPaths, make_dir, read, write};
use super::program::run;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// One line of the list of hosts: name and number.
pub(crate) type Named<'a> = (&'a str, u16);

/// Makes the key with which the controller gets into every host, and its `.ssh` folder.
pub(crate) fn create_client(lab: &LabPaths) -> Result<(), LabError> {
    let folder = lab.home().join(".ssh");
    make_dir(&folder)?;
    restrict(&folder, 0o700)?;
    generate(&folder.join("id_ed25519"))?;
    write(&folder.join("known_hosts"), "")?;
    write_config(lab, &[])
}

/// Gives a host a key of its own, and lets the controller in as root and as `deploy`.
pub(crate) fn install(lab: &LabPaths, root: &Path) -> Result<(), LabError> {
    generate(&root.join("etc/ssh/ssh_host_ed25519_key"))?;
    let public = read(&lab.home().join(".ssh/id_ed25519.pub"))?;
    for (home, id) in [("root", 0), ("home/deploy", 1000)] {
        let folder = root.join(home).join(".ssh");
        make_dir(&folder)?;
        restrict(&folder, 0o700)?;
        let list = folder.join("authorized_keys");
        write(&list, &public)?;
        restrict(&list, 0o600)?;
        for path in [&folder, &list] {
            chown(path, Some(id), Some(id))
                .map_err(LabError::io(format!("can't give {} away", path.display())))?;
        }
    }
    Ok(())
}

/// Writes down which hosts there are: `config` and `known_hosts` of ssh, and `hosts` for everything else.
pub(crate) fn write_config(lab: &LabPaths, hosts: &[Named<'_>]) -> Result<(), LabError> {
    let folder = lab.home().join(".ssh");
    let at = folder.display();
    let (mut config, mut known, mut names) =
        (String::new(), String::new(), "127.0.0.1 localhost\n".to_owned());
    for (name, index) in hosts {
        let address = address(*index);
        let key = read(&lab.host(name).root().join("etc/ssh/ssh_host_ed25519_key.pub"))?;
        let key = key.split(' ').take(2).collect::<Vec<_>>().join(" ");
        // Writing to a String can't fail.
        let _ = writeln!(config, "Host {name}\n  HostName {address}");
        let _ = writeln!(known, "{name},{address} {}", key.trim());
        let _ = writeln!(names, "{address} {name}");
    }
    let _ = write!(
        config,
        "Host *\n  User root\n  IdentityFile {at}/id_ed25519\n  IdentitiesOnly yes\n  BatchMode yes\n  \
         UserKnownHostsFile {at}/known_hosts\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
    );
    write(&folder.join("config"), config)?;
    write(&folder.join("known_hosts"), known)?;
    write(&lab.state.join("etc-hosts"), names)
}

fn generate(path: &Path) -> Result<(), LabError> {
    if !path.exists() {
        run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", &path.to_string_lossy()])?;
    }
    Ok(())
}

fn restrict(path: &Path, mode: u32) -> Result<(), LabError> {
    let doing = format!("can't set the mode of {}", path.display());
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(LabError::io(doing))
}
