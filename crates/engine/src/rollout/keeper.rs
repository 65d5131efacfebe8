//! Keeping leases alive until their hosts are begun.

use crate::becoming::Becoming;
use crate::host::Shared;
use crate::rollout::slots::Class;
use crate::talk::Talk;
use futures::stream::{self, StreamExt};
use snapback_agent::answer::Answer;
use snapback_agent::payload::lease_text;
use snapback_core::host::HostName;
use snapback_core::way::Way;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How long a lease lasts unless it is renewed: so long the hosts of a controller that died are kept from others, unless
/// somebody unlocks them.
pub(crate) const LEASE: Duration = Duration::from_secs(300);

/// How often it is looked which leases are half over.
const LOOK: Duration = Duration::from_secs(15);

/// The longest that a question about a lease may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The leases that a run holds.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<BTreeMap<HostName, Kept>>);

/// A lease, and how its host is reached.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) way: Way,
    pub(crate) becoming: Becoming,
    pub(crate) renew_at: Instant,
}

impl Leases {
    pub(crate) fn keep(&self, host: &HostName, way: Way, becoming: Becoming) {
        let kept = Kept { way, becoming, renew_at: Instant::now() + LEASE / 2 };
        self.all().insert(host.clone(), kept);
    }

    pub(crate) fn let_go(&self, host: &HostName) {
        self.all().remove(host);
    }

    pub(crate) fn is_held(&self, host: &HostName) -> bool {
        self.all().contains_key(host)
    }

    fn due(&self) -> Vec<(HostName, Kept)> {
        let now = Instant::now();
        let due = |(_, kept): &(&HostName, &Kept)| kept.renew_at <= now;
        self.all().iter().filter(due).map(|(host, kept)| (host.clone(), kept.clone())).collect()
    }

    fn renewed(&self, host: &HostName) {
        if let Some(kept) = self.all().get_mut(host) {
            kept.renew_at = Instant::now() + LEASE / 2;
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<HostName, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews leases until it is dropped.
#[derive(Debug)]
pub(crate) struct Keeper(JoinHandle<()>);

impl Keeper {
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        Self(tokio::spawn(async move {
            let mut look = interval(LOOK);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                look.tick().await;
                let due = shared.leases.due().into_iter().map(|(host, kept)| renew(&shared, host, kept));
                let parallel = shared.spec.connect_parallel.max(1);
                stream::iter(due).buffer_unordered(parallel).collect::<()>().await;
            }
        }))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One that can't be renewed is tried again at the next look; in the end its host itself says who holds it.
async fn renew(shared: &Shared, host: HostName, kept: Kept) {
    let _slot = shared.slots.handshake(&kept.way, Class::Again).await;
    let mut is_renewed = false;
    lease_talk(shared, kept.becoming)
        .fresh(&*shared.connector, &kept.way, false, |answer| is_renewed |= answer == Answer::Leased)
        .await;
    if is_renewed {
        shared.leases.renewed(&host);
    }
}

/// Gives back what a run holds when its controller must leave at once.
///
/// The run ends when nobody else holds on to it, so this doesn't.
pub struct Release(pub(crate) Weak<Shared>);

impl Release {
    /// Gives back the leases of hosts that were never begun: as many as the time allows, each over a line of its own.
    /// What is left runs out by itself.
    pub async fn within(&self, longest: Duration) {
        let Some(shared) = self.0.upgrade() else { return };
        let shared = &*shared;
        let held: Vec<(HostName, Kept)> = std::mem::take(&mut *shared.leases.all()).into_iter().collect();
        let giving = held.into_iter().map(|(_, kept)| async move {
            let talk = Talk::plain(kept.becoming, &["unlease", &shared.spec.run], "", longest);
            talk.fresh(&*shared.connector, &kept.way, false, |_| ()).await;
        });
        let parallel = shared.spec.connect_parallel.max(1);
        // Whatever of it was done in time is done.
        let _ = timeout(longest, stream::iter(giving).buffer_unordered(parallel).collect::<()>()).await;
    }
}

/// Takes a lease, or renews it.
pub(crate) fn lease_talk(shared: &Shared, becoming: Becoming) -> Talk {
    let secs = LEASE.as_secs().to_string();
    Talk::plain(becoming, &["lease", &shared.spec.run, &secs], &lease_text(&shared.spec), LIMIT)
}
