//! The lab's network: a bridge in the controller's namespace, and a cable from it to every host.
//!
//! Every lab uses the same addresses: no two of them, and nothing else on the machine, share a namespace.

use super::error::LabError;
use super::paths::{HostPaths, LabPaths, write};
use super::program::{run, run_with_input};
use std::net::Ipv4Addr;
use std::path::Path;

/// The controller's address, and the hosts' default gateway.
pub(crate) const CONTROLLER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The address of the host with this number.
pub(crate) fn address(index: u16) -> Ipv4Addr {
    let [high, low] = (index + 256).to_be_bytes();
    Ipv4Addr::new(10, 77, high, low)
}

/// The name of a host's cable at the controller's end.
pub(crate) fn port(index: u16) -> String {
    format!("h{index}")
}

/// Makes the controller's namespace and the bridge in it.
pub(crate) fn create(lab: &LabPaths) -> Result<(), LabError> {
    let controller = lab.controller_netns();
    run(&["ip", "netns", "add", &controller])?;
    let commands = format!(
        "link set lo up\nlink add br0 type bridge\naddr add {CONTROLLER}/16 dev br0\nlink set br0 up\n"
    );
    run_with_input(&["ip", "-n", &controller, "-batch", "-"], &commands)?;
    Ok(())
}

/// Makes a host's namespace and plugs it in.
pub(crate) fn plug_in(lab: &LabPaths, host: &HostPaths, index: u16) -> Result<(), LabError> {
    let port = port(index);
    run(&["ip", "netns", "add", &host.netns])?;
    let far_end = format!(
        "link add {port} type veth peer name eth0 netns {}\nlink set {port} master br0\nlink set {port} up\n",
        host.netns
    );
    run_with_input(&["ip", "-n", &lab.controller_netns(), "-batch", "-"], &far_end)?;
    let address = address(index);
    let near_end = format!(
        "link set lo up\naddr add {address}/16 dev eth0\nlink set eth0 up\nroute add default via {CONTROLLER}\n"
    );
    run_with_input(&["ip", "-n", &host.netns, "-batch", "-"], &near_end)?;
    Ok(())
}

/// Tells a host that brings its network up by itself what is its own: a reboot takes the address away.
pub(crate) fn describe(host: &HostPaths, index: u16) -> Result<(), LabError> {
    let address = address(index);
    let interfaces = format!(
        "auto lo eth0\niface lo inet loopback\niface eth0 inet manual\n\tup ip addr replace {address}/16 dev eth0\n\t\
         up ip route replace default via {CONTROLLER}\n"
    );
    write(&host.root().join("etc/network/interfaces"), interfaces)
}

/// Puts address and routes of a host back as they were at its first boot.
pub(crate) fn reset(host: &HostPaths, index: u16) -> Result<(), LabError> {
    let address = address(index);
    let commands = format!(
        "addr flush dev eth0 scope global\nroute flush table main\nlink set lo up\nlink set eth0 up\n\
         addr replace {address}/16 dev eth0\nroute replace default via {CONTROLLER}\n"
    );
    // A flush of nothing is an error to `ip`, so the batch goes on; the last line decides.
    let _ = run_with_input(&["ip", "-n", &host.netns, "-force", "-batch", "-"], &commands);
    let netns = format!("--net=/run/netns/{}", host.netns);
    run(&["nsenter", &netns, "nft", "flush", "ruleset"])?;
    run(&["ip", "-n", &host.netns, "route", "replace", "default", "via", &CONTROLLER.to_string()])?;
    Ok(())
}

/// Removes the namespaces of a lab; what is in them goes with them.
pub(crate) fn remove(lab: &LabPaths) -> Result<(), LabError> {
    for entry in Path::new("/run/netns").read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&lab.netns_prefix()) {
            run(&["ip", "netns", "del", &name])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_numbered_from_one_and_never_meet_the_controller() {
        assert_eq!(address(1).to_string(), "10.77.1.1");
        assert_eq!(address(256).to_string(), "10.77.2.0");
    }
}
