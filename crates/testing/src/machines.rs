//! Machines in memory: the leases that they hold, and how they fail.

use crate::crash::CrashPoints;
use crate::session::IdleSession;
use crate::world::{Fault, Verb, World};
use async_trait::async_trait;
use sandboxer_broker::Machines;
use sandboxer_reach::{Doorway, Entered, Lease, ReachError, ReachErrorKind, Route, SessionKind};
use sandboxer_types::{ErrorKind, HostId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A lease that a machine holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLease {
    /// On which machine.
    pub route: String,
    /// For how long, counted from when it was placed.
    pub span: Duration,
    /// What is run when it runs out.
    pub expire: Vec<String>,
}

/// What machines are and hold.
#[derive(Debug, Clone, Default)]
pub struct MachinePark {
    /// The leases, by name. A name stands on one machine only.
    pub leases: BTreeMap<String, HeldLease>,
    /// Names that the user's ssh config knows.
    pub aliases: BTreeSet<String>,
    /// No machine answers.
    pub is_down: bool,
    /// On no machine can an agent run.
    pub is_agentless: bool,
    /// Not even a shell lets anybody in.
    pub is_closed: bool,
}

/// Acts on the machines of a [`World`], in a process that may die around every call.
pub(crate) struct FakeMachines {
    world: Arc<World>,
    points: Arc<CrashPoints>,
}

impl FakeMachines {
    pub(crate) fn new(world: Arc<World>, points: Arc<CrashPoints>) -> Self {
        Self { world, points }
    }

    /// One call, as one of an extension is.
    async fn call<T>(
        &self,
        verb: Verb,
        effect: impl FnOnce(&mut MachinePark) -> Result<T, ReachError>,
    ) -> Result<T, ReachError> {
        self.points.pass().await;
        let fault = self.world.next_fault(verb);
        if let Some(fault) = fault.filter(|fault| !fault.after_effect) {
            return Err(planned(fault));
        }
        let result = self.world.machines(|park| match park.is_down {
            true => Err(ReachError::new(ReachErrorKind::Unreachable, "the machine is down")),
            false => effect(park),
        });
        self.points.pass().await;
        match fault {
            Some(fault) => Err(planned(fault)),
            None => result,
        }
    }
}

fn planned(fault: Fault) -> ReachError {
    let kind = match fault.kind {
        ErrorKind::Unsupported => ReachErrorKind::AgentCannotRun,
        ErrorKind::Forbidden => ReachErrorKind::PermissionDenied,
        _ => ReachErrorKind::Unreachable,
    };
    ReachError::new(kind, "as planned")
}

fn agentless() -> ReachError {
    ReachError::new(ReachErrorKind::AgentCannotRun, "no agent runs there")
}

#[async_trait]
impl Machines for FakeMachines {
    async fn is_alias(&self, name: &HostId) -> bool {
        self.world.machines(|park| park.aliases.contains(name.as_str()))
    }

    async fn enter(&self, _route: &Route, _door: &Doorway) -> Result<Entered, ReachError> {
        self.call(Verb::Enter, |park| match (park.is_closed, park.is_agentless) {
            (true, _) => Err(ReachError::new(ReachErrorKind::LoginRefused, "nobody is let in")),
            (false, true) => Ok(Entered { session: Arc::new(IdleSession), kind: SessionKind::Plain }),
            (false, false) => Ok(Entered { session: Arc::new(IdleSession), kind: SessionKind::Agent }),
        })
        .await
    }

    async fn place_lease(
        &self,
        route: &Route,
        name: &str,
        span: Duration,
        expire: &[String],
    ) -> Result<(), ReachError> {
        self.call(Verb::PlaceLease, |park| {
            if park.is_agentless {
                return Err(agentless());
            }
            let lease = HeldLease { route: route.to_string(), span, expire: expire.to_vec() };
            park.leases.insert(name.to_owned(), lease);
            Ok(())
        })
        .await
    }

    async fn release_lease(&self, _route: &Route, name: &str) -> Result<(), ReachError> {
        self.call(Verb::ReleaseLease, |park| {
            if park.is_agentless {
                return Err(agentless());
            }
            park.leases.remove(name);
            Ok(())
        })
        .await
    }

    async fn leases(&self, route: &Route) -> Result<Vec<Lease>, ReachError> {
        let route = route.to_string();
        self.call(Verb::Leases, |park| {
            let here = park.leases.iter().filter(|(_, lease)| lease.route == route);
            let lease = |(name, lease): (&String, &HeldLease)| Lease {
                name: name.clone(),
                remaining: Some(lease.span),
                last_fault: None,
            };
            Ok(here.map(lease).collect())
        })
        .await
    }
}
