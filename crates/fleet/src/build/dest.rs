//! Paths on the target.

/// Returns a path without its trailing slash, and whether it had one; or why it is none to be written to.
pub(crate) fn parse(path: &str) -> Result<(String, bool), String> {
    if !path.starts_with('/') {
        return Err(format!("{path:?} is not an absolute path"));
    }
    if let Some(c) = path.chars().find(|c| c.is_control()) {
        return Err(format!("{path:?} holds the control character {c:?}"));
    }
    let slash = path.ends_with('/');
    let bare = path.strip_suffix('/').unwrap_or(path);
    if let Some(part) = bare.split('/').skip(1).find(|part| ["", ".", ".."].contains(part)) {
        let what = if part.is_empty() { "//" } else { part };
        return Err(format!("{path:?} is not normalised: it holds `{what}`"));
    }
    Ok((bare.to_owned(), slash))
}

/// Returns whether `path` is `dir` or lies below it.
pub(crate) fn is_within(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns whether the distribution lays this folder down and decides on its mode.
///
/// A source tree that mirrors `/` has `tmp/` and `root/` in it only to hold something: giving them the mode of a
/// new folder would break the host (`/tmp` loses its sticky bit, `/root` is opened).
pub(crate) fn is_system_folder(path: &str) -> bool {
    let listed = |list: &str, name: &str| list.split_whitespace().any(|listed| listed == name);
    let below_a_parent =
        path.rsplit_once('/').is_some_and(|(parent, name)| listed(PARENTS, parent) && listed(BELOW, name));
    path.is_empty() || below_a_parent || listed(FOLDERS, path)
}

/// Folders by their whole path.
const FOLDERS: &str = "
    /bin /boot /dev /etc /home /lib /lib64 /media /mnt /nix /opt /proc /root /run /sbin /srv /sys /tmp /usr /var
    /etc/ssh/sshd_config.d /etc/ssl/certs /etc/ssl/private /etc/systemd/network /etc/systemd/system
    /var/spool/cron/crontabs";

/// One level below these, the folders called as in [`BELOW`] belong to packages, some with modes of their own.
const PARENTS: &str = "/boot /etc /usr /usr/local /var /var/lib /var/spool";

const BELOW: &str = "
    bin cache conf.d cron cron.d cron.daily cron.hourly cron.monthly cron.weekly default etc games include init.d
    lib lib32 lib64 libexec local lock log logrotate.d mail man modprobe.d modules-load.d network pam.d polkit-1
    profile.d sbin security share skel spool src ssh ssl sudoers.d sysctl.d systemd tmp udev";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute_normalised_and_without_control_characters() {
        assert_eq!(parse("/etc/shop/"), Ok(("/etc/shop".to_owned(), true)));
        assert_eq!(parse("/etc/shop"), Ok(("/etc/shop".to_owned(), false)));
        assert_eq!(parse("/"), Ok((String::new(), true)));
        for bad in [
            "",
            "etc",
            "./x",
            "/etc/../x",
            "/etc/./x",
            "/etc//x",
            "/etc/..",
            "//",
            "/a\nb",
            "/a\u{1b}[31m",
            "/a\0",
        ] {
            assert!(parse(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn within_goes_by_whole_names() {
        assert!(
            is_within("/etc/ssh", "/etc/ssh") && is_within("/etc/ssh/x", "/etc/ssh") && is_within("/x", "")
        );
        assert!(!is_within("/etc/sshx", "/etc/ssh") && !is_within("/etc", "/etc/ssh"));
    }

    #[test]
    fn folders_of_the_system_are_told_from_ones_own() {
        for folder in
            ["", "/etc", "/tmp", "/root", "/etc/sudoers.d", "/usr/local/bin", "/var/tmp", "/etc/ssl/private"]
        {
            assert!(is_system_folder(folder), "{folder}");
        }
        for folder in ["/etc/shop", "/srv/shop", "/opt/shop/bin", "/var/lib/shop"] {
            assert!(!is_system_folder(folder), "{folder}");
        }
    }
}
