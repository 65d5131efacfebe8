//! The arguments of one ssh.

use crate::pins::PinFile;
use crate::program::Version;
use crate::quote::{BadValue, bare, for_shell, quoted, quoted_literal};
use snapback_core::way::{Family, Way};
use std::ffi::OsString;
use std::path::Path;

/// What an ssh is started for.
#[derive(Debug)]
pub(crate) enum Purpose<'a> {
    /// To carry the commands that come over this socket.
    Master {
        /// The socket.
        socket: &'a Path,
    },
    /// To run one command and end.
    Once {
        /// For the login shell.
        command: &'a str,
    },
}

/// Returns everything after `ssh -F WRAPPER -E LOG`.
pub(crate) fn arguments(
    way: &Way,
    purpose: &Purpose<'_>,
    pin: Option<&PinFile>,
    version: Version,
) -> Result<Vec<OsString>, BadValue> {
    let mut arguments: Vec<OsString> = match purpose {
        Purpose::Master { socket } => vec!["-M".into(), "-N".into(), "-S".into(), (*socket).into()],
        // Without it a live master of the user's would be used, even with ControlMaster=no.
        Purpose::Once { .. } => vec!["-S".into(), "none".into()],
    };
    arguments.push("-T".into());
    let mut options = vec!["LogLevel=DEBUG1".to_owned(), "FingerprintHash=sha256".to_owned()];
    options.extend(way_options(way)?);
    if let Some(file) = pin {
        options.extend(pin_options(file, version)?);
    }
    for option in options {
        arguments.extend(["-o".into(), option.into()]);
    }
    arguments.extend(["--".into(), way.host.as_str().into()]);
    if let Purpose::Once { command } = purpose {
        arguments.push((*command).into());
    }
    Ok(arguments)
}

/// Returns what a way says, as ssh options.
pub(crate) fn way_options(way: &Way) -> Result<Vec<String>, BadValue> {
    let mut options = Vec::new();
    if let Some(address) = &way.address {
        options.push(format!("HostName={}", quoted_literal(address)?));
    }
    if let Some(port) = way.port {
        options.push(format!("Port={port}"));
    }
    if let Some(user) = &way.user {
        options.push(format!("User={}", quoted(user)?));
    }
    if let Some(identity) = &way.identity_file {
        // An agent full of other keys would hide that this one isn't taken.
        options.push("IdentitiesOnly=yes".to_owned());
        options.push(format!("IdentityFile={}", quoted_literal(&identity.to_string_lossy())?));
    }
    if let Some(family) = way.family {
        let word = match family {
            Family::V4 => "inet",
            Family::V6 => "inet6",
        };
        options.push(format!("AddressFamily={word}"));
    }
    if let Some(jump) = &way.proxy_jump {
        options.push(format!("ProxyJump={}", bare(jump)?));
    }
    Ok(options)
}

fn pin_options(file: &PinFile, version: Version) -> Result<Vec<String>, BadValue> {
    let mut options = vec![
        format!("HostKeyAlias={}", file.alias),
        format!("UserKnownHostsFile={}", quoted(&file.path.to_string_lossy())?),
    ];
    for fixed in [
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "CheckHostIP=no",
        "VerifyHostKeyDNS=no",
    ] {
        options.push(fixed.to_owned());
    }
    if version.has_known_hosts_command() {
        options.push("KnownHostsCommand=none".to_owned());
    }
    Ok(options)
}

/// Returns what a person types to go the same way by hand.
pub(crate) fn by_hand(way: &Way, flags: &str) -> String {
    let mut words = vec!["ssh".to_owned()];
    if !flags.is_empty() {
        words.push(flags.to_owned());
    }
    let mut option = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([flag.to_owned(), for_shell(&value)]);
        }
    };
    option("-F", way.ssh_config.as_ref().map(|path| path.display().to_string()));
    option("-o", way.address.as_ref().map(|address| format!("HostName={}", address.replace('%', "%%"))));
    option("-p", way.port.map(|port| port.to_string()));
    option("-l", way.user.clone());
    option("-i", way.identity_file.as_ref().map(|path| path.display().to_string()));
    option("-J", way.proxy_jump.clone());
    match way.family {
        Some(Family::V4) => words.push("-4".to_owned()),
        Some(Family::V6) => words.push("-6".to_owned()),
        None => {}
    }
    words.push(for_shell(way.host.as_str()));
    words.join(" ")
}
