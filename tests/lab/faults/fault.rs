//! What strikes a host, its line or its controller, and what is left to be mended.

use super::stricken::{APPLY, Stricken, WINDOW};
use crate::e2e_stage::Running;
use snapback_testkit::faults::{Rng, Tamper};
use snapback_testkit::lab::Condition;
use snapback_testkit::relay::Relay;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// What a case stands on when it is struck.
pub(crate) struct Scene<'a> {
    pub(crate) on: &'a Stricken<'a>,
    pub(crate) run: &'a Running,
    pub(crate) relay: &'a Relay,
}

/// What was done, and what it takes to end it.
#[derive(Default)]
pub(crate) struct Blow {
    pub(crate) name: &'static str,
    pub(crate) detail: String,
    /// The controller was killed: it says nothing more.
    pub(crate) silenced: bool,
    pub(crate) tampered: bool,
}

type Act = fn(&Scene<'_>, &mut Rng, &mut Blow);

/// A fault: its name, whether it needs systemd, and what it does.
struct Fault(&'static str, bool, Act);

const FAULTS: &[Fault] = &[
    Fault("controller: SIGKILL", false, |s, _, b| {
        signal(s, "KILL");
        b.silenced = true;
    }),
    Fault("controller: SIGINT", false, |s, _, _| signal(s, "INT")),
    Fault("controller: SIGINT twice", false, |s, _, b| {
        signal(s, "INT");
        sleep(Duration::from_millis(100));
        signal(s, "INT");
        b.silenced = true;
    }),
    Fault("controller: SIGSTOP past the deadline", false, |s, _, _| {
        signal(s, "STOP");
        sleep(Duration::from_secs(APPLY + WINDOW + 1));
        signal(s, "CONT");
    }),
    Fault("line: RST", false, |s, _, _| {
        s.relay.reset();
        sleep(Duration::from_millis(30));
        s.relay.pass();
    }),
    Fault("line: silent both ways", false, |s, rng, _| for_a_while(s, rng, Condition::Blackhole)),
    Fault("line: silent one way", false, |s, rng, _| {
        let chain = ["input", "output"][rng.usize(..2)];
        let port = ["dport", "sport"][usize::from(chain == "output")];
        s.on.sh(&format!("nft 'add table inet cut; add chain inet cut c {{ type filter hook {chain} priority 0; }}; add rule inet cut c tcp {port} 22 drop'"));
        sleep(a_while(rng));
        s.on.sh("nft delete table inet cut");
    }),
    Fault("line: 60 % loss", false, |s, rng, _| for_a_while(s, rng, Condition::Lossy(60))),
    Fault("line: 500 ms delay", false, |s, rng, _| {
        s.relay.delay(Duration::from_millis(500));
        sleep(a_while(rng));
        s.relay.pass();
    }),
    Fault("line: the host's address changes", false, |s, rng, _| {
        let address = s.on.host.address();
        s.on.sh(&format!("ip addr add 10.77.99.99/16 dev eth0; ip addr del {address}/16 dev eth0"));
        sleep(a_while(rng));
        s.on.sh(&format!("ip addr add {address}/16 dev eth0; ip addr del 10.77.99.99/16 dev eth0; ip route replace default via 10.77.0.1"));
    }),
    Fault("target: sessions killed", false, |s, _, _| {
        s.on.sh("pkill -KILL -f '^sshd: root@'; pkill -KILL -f '^sshd-session: root@'")
    }),
    Fault("target: sshd stopped", false, |s, rng, _| {
        s.on.sh("systemctl stop ssh ssh.socket 2>/dev/null || pkill -f 'sshd.*\\[listener\\]'");
        sleep(a_while(rng));
        s.on.sh("systemctl start ssh 2>/dev/null || /usr/sbin/sshd");
    }),
    Fault("target: sshd restarted", false, |s, _, _| {
        s.on.sh("systemctl restart ssh 2>/dev/null || { pkill -f 'sshd.*\\[listener\\]'; sleep 0.2; /usr/sbin/sshd; }");
    }),
    Fault("target: logind ends the session's processes", true, |s, _, _| {
        s.on.sh("mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\\nKillUserProcesses=yes\\nKillExcludeUsers=nobody\\n' >/etc/systemd/logind.conf.d/kill.conf; systemctl restart systemd-logind; for s in $(loginctl list-sessions --no-legend | cut -c 1-8); do loginctl terminate-session $s; done");
    }),
    Fault("target: daemon-reload", true, |s, _, _| s.on.sh("systemctl daemon-reload")),
    Fault("target: daemon-reexec", true, |s, _, _| s.on.sh("systemctl daemon-reexec")),
    Fault("target: isolate", true, |s, _, _| s.on.sh("systemctl isolate multi-user.target")),
    Fault("target: supervisor killed", false, |s, _, _| kill(s, &["supervisor"], "KILL")),
    Fault("target: backup killed", false, |s, _, _| end_backup(s)),
    Fault("target: supervisor and backup killed", false, |s, _, _| {
        end_backup(s);
        if s.on.is_systemd() {
            s.on.sh("systemctl stop 'snapback-*-guard.service'");
        } else {
            kill(s, &["supervisor"], "KILL");
        }
    }),
    Fault("target: runner killed", false, |s, _, _| kill(s, &["runner"], "KILL")),
    Fault("target: undoer killed", false, |s, _, _| kill(s, &["carry.1", "carry.2"], "KILL")),
    Fault("target: supervisor stopped", false, |s, _, _| kill(s, &["supervisor"], "STOP")),
    Fault("target: runner stopped", false, |s, _, _| kill(s, &["runner"], "STOP")),
    Fault("target: the runner's cgroup frozen", true, |s, _, _| freeze(s, "run")),
    Fault("target: the supervisor's cgroup frozen", true, |s, _, _| freeze(s, "guard")),
    Fault("target: OOM kill", false, out_of_memory),
    Fault("target: power cut", false, |s, rng, _| power_cut(s.on, rng)),
    Fault("target: reboot", false, |s, _, _| {
        let boot = || {
            s.on.host
                .exec(&["cat", "/proc/sys/kernel/random/boot_id"])
                .map(|ran| ran.stdout)
                .unwrap_or_default()
        };
        let before = boot();
        s.on.sh("reboot 2>/dev/null || systemctl reboot");
        super::stricken::comes(Duration::from_secs(10), || !matches!(boot(), now if now == before));
    }),
    Fault("disk: no space", false, |s, _, b| {
        if s.on.has_quota() {
            b.name = "disk: quota exhausted";
        }
        s.on.sh("cat /dev/zero >/var/lib/snapback/.filler 2>/dev/null; for n in 1 2 3; do echo >/var/lib/snapback/.filler.$n; done");
    }),
    Fault("disk: no inodes", false, |s, _, _| {
        s.on.sh("mkdir -p /var/lib/snapback/.fillers; cd /var/lib/snapback/.fillers && seq 9999 | xargs touch 2>/dev/null");
    }),
    Fault("disk: read-only", false, |s, rng, _| {
        let disk = s.on.state();
        let made = (0..60).any(|_| {
            let done = remount(&disk, "ro");
            if !done {
                sleep(Duration::from_millis(10));
            }
            done
        });
        if made {
            sleep(a_while(rng));
            remount(&disk, "rw");
        }
    }),
    Fault("record", false, |s, rng, b| {
        let (way, file) = Tamper::draw(rng);
        if let Some(tx) = s.on.tx() {
            way.strike(&tx.join(file));
        }
        b.name = way.name();
        b.detail = file.to_owned();
        b.tampered = true;
    }),
];

/// These are only mended by time: ten seconds past the deadline, or more than a minute.
fn is_long(name: &str) -> bool {
    ["stopped", "frozen", "SIGSTOP", "read-only", "changes"].iter().any(|word| name.contains(word))
}

/// Draws a fault that this host can suffer, and lets it strike.
pub(crate) fn strike(scene: &Scene<'_>, rng: &mut Rng, brief: bool) -> Blow {
    loop {
        let Fault(name, systemd, act) = &FAULTS[rng.usize(..FAULTS.len())];
        // btrfs counts no inodes.
        let has_it = !(name.contains("inodes") && scene.on.has_quota());
        let fits = has_it && (!systemd || scene.on.is_systemd());
        if fits && !(brief && is_long(name)) {
            let mut blow = Blow { name, ..Blow::default() };
            act(scene, rng, &mut blow);
            return blow;
        }
    }
}

/// Starts a run whose controller has no room on its disk for the record.
pub(crate) const NO_ROOM: &str = "mkdir -p $HOME/.local/state && mount -t tmpfs -o size=4k,nr_inodes=4 tmpfs $HOME/.local/state && \
    { cat /dev/zero >$HOME/.local/state/filler; exec \"$@\"; } 2>/dev/null";

/// Ends what would go on for ever: what the case did is over, and the host is on.
pub(crate) fn mend(on: &Stricken<'_>) {
    on.host.network(Condition::Clear).unwrap();
    remount(&on.state(), "rw");
    if !on.host.is_on().unwrap_or(false) {
        on.host.boot().unwrap();
    }
    if let Some(group) = memory_group(on.host.name()) {
        // What still lives in it keeps it for the next time.
        let _ = fs::write(group.join("memory.limit_in_bytes"), "-1");
        let _ = fs::write(group.join("memory.max"), "max");
        let _ = fs::remove_dir(group);
    }
    on.sh("rm -rf /var/lib/snapback/.filler* /etc/systemd/logind.conf.d/kill.conf; \
           for g in /sys/fs/cgroup/system.slice/snapback-*; do test ! -e $g/cgroup.freeze || echo 0 >$g/cgroup.freeze; done; \
           pgrep -f 'snapback/(tx|agent)' | xargs -r kill -CONT");
}

fn a_while(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(200..6000))
}

fn for_a_while(s: &Scene<'_>, rng: &mut Rng, condition: Condition) {
    s.on.host.network(condition).unwrap();
    sleep(a_while(rng));
    s.on.host.network(Condition::Clear).unwrap();
}

fn signal(s: &Scene<'_>, name: &str) {
    // One that has ended already is nobody's loss.
    let pid = s.run.child.id().to_string();
    let _ = Command::new("kill").args(["-s", name, &pid]).stderr(std::process::Stdio::null()).status();
}

fn kill(s: &Scene<'_>, who: &[&str], name: &str) {
    let pids: Vec<String> = who.iter().filter_map(|who| s.on.pid(who)).collect();
    if !pids.is_empty() {
        s.on.sh(&format!("kill -{name} {} 2>/dev/null", pids.join(" ")));
    }
}

fn end_backup(s: &Scene<'_>) {
    if s.on.is_systemd() {
        s.on.sh("systemctl stop 'snapback-*-backup.timer'");
    } else {
        kill(s, &["backup"], "KILL");
    }
}

fn freeze(s: &Scene<'_>, unit: &str) {
    s.on.sh(&format!("for g in /sys/fs/cgroup/system.slice/snapback-*-{unit}.service; do test ! -e $g/cgroup.freeze || echo 1 >$g/cgroup.freeze; done"));
}

/// The next power cut strikes the boot itself, in a third of all cases.
pub(crate) fn power_cut(on: &Stricken<'_>, rng: &mut Rng) {
    on.host.power_cut().unwrap();
    on.host.start().unwrap();
    if rng.u32(0..3) == 0 {
        sleep(Duration::from_millis(rng.u64(50..1500)));
        on.host.power_cut().unwrap();
        on.host.start().unwrap();
    }
    on.host.wait_until_reachable(Duration::from_secs(30)).unwrap();
}

/// Puts the runner and what it has started into a memory cgroup that is too small for anything.
fn out_of_memory(s: &Scene<'_>, _: &mut Rng, blow: &mut Blow) {
    let Some(group) = memory_group(s.on.host.name()) else {
        return kill(s, &["runner"], "KILL");
    };
    let state = s.on.tx().map(|tx| tx.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let mark = format!("SNAPBACK_TX={}", state.unwrap_or_default());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ.split(|b| *b == 0).any(|var| var == mark.as_bytes()) {
            let _ = fs::write(group.join("cgroup.procs"), entry.file_name().to_string_lossy().as_bytes());
        }
    }
    // What they hold already counts only when it grows, so the runner is told to grow.
    let _ = fs::write(group.join("memory.limit_in_bytes"), "65536");
    let _ = fs::write(group.join("memory.max"), "65536");
    blow.detail = group.display().to_string();
}

fn memory_group(host: &str) -> Option<std::path::PathBuf> {
    let own = format!("snapback-faults-{}-{host}", std::process::id());
    let top = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(Path::new).into_iter();
    let group = top.filter(|top| top.join("cgroup.procs").exists()).map(|top| top.join(&own)).next()?;
    fs::create_dir_all(&group).ok()?;
    Some(group)
}

fn remount(disk: &Path, how: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-o", &format!("remount,{how}")]).arg(disk).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
