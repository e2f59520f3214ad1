//! Time, money, and sleep.

use super::Model;
use crate::cloud::BackendId;
use crate::mutation::Mutation;
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_sdk::{Call, Clock, EstimateCost, Extend, Pause, Prices, SystemClock};
use sandboxer_types::{
    ErrorKind, Failure, Handle, HostId, MeterPrice, MeterQuote, Object, Profile, Reachability, Residue, TimeSpan,
};

/// What an hour costs, in millionths of a dollar.
const HOUR: u128 = 60_000;

impl Model {
    pub(super) fn the_one(&self, call: &Call) -> Result<BackendId, Failure> {
        let found = self.find(call, &self.cloud(call)?)?;
        let missing = || Failure::new(ErrorKind::NotFound, "it does not exist").with_residue(Residue::None);
        found.into_iter().next().map(|(id, _)| id).ok_or_else(missing)
    }
}

#[async_trait]
impl Extend for Model {
    async fn extend(&self, call: &Call, _handle: &Handle, ttl: TimeSpan) -> Result<Timestamp, Failure> {
        let cloud = self.cloud(call)?;
        let _turn = self.turn(call, &cloud).await?;
        let id = self.the_one(call)?;
        let end = SystemClock.now().checked_add(ttl.as_duration());
        let end = end.map_err(|error| Failure::invalid_input(error.to_string()))?;
        if !self.is(Mutation::ExtendOnlySaysSo) {
            cloud.change(&id, |thing| thing.expires_at = Some(end))?;
        }
        Ok(end)
    }
}

#[async_trait]
impl Pause for Model {
    async fn pause(&self, call: &Call, _handle: &Handle) -> Result<(), Failure> {
        let cloud = self.cloud(call)?;
        let _turn = self.turn(call, &cloud).await?;
        let id = self.the_one(call)?;
        if self.is(Mutation::PausesOnlyOnce) && cloud.get(&id)?.is_some_and(|thing| thing.paused) {
            return Err(Failure::new(ErrorKind::Precondition, "it is paused already").with_residue(Residue::Present));
        }
        Ok(cloud.freeze(&id, true)?)
    }

    async fn resume(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        let cloud = self.cloud(call)?;
        let _turn = self.turn(call, &cloud).await?;
        cloud.freeze(&self.the_one(call)?, false)?;
        self.reach(call, handle).await
    }
}

#[async_trait]
impl EstimateCost for Model {
    async fn estimate_cost(
        &self,
        _call: &Call,
        _host: &HostId,
        _profile: &Profile,
        _inputs: &Object,
        duration: TimeSpan,
    ) -> Result<MeterQuote, Failure> {
        let seconds = u128::from(duration.as_duration().as_secs());
        let cost = match self.is(Mutation::LongerCostsLess) {
            true => 1_000_000_000 / (seconds + 1),
            false => HOUR * seconds / 3600,
        };
        let decimal = |millionths: u128| format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000).parse();
        Ok(MeterQuote {
            duration,
            currency: "USD".to_owned(),
            expected: decimal(cost).unwrap(),
            low: None,
            high: None,
            running_per_hour: None,
            paused_per_hour: None,
            billing: None,
            granularity: Some(TimeSpan::seconds(1)),
            minimum: None,
            excludes: Vec::new(),
            as_of: Some("2026-01-01".to_owned()),
            source: Some("its own price list".to_owned()),
            confidence: Some("exact".to_owned()),
        })
    }
}

#[async_trait]
impl Prices for Model {
    async fn prices(&self, _call: &Call) -> Result<Vec<MeterPrice>, Failure> {
        let price = |meter: &str, amount: &str| MeterPrice {
            meter: meter.to_owned(),
            amount: amount.parse().unwrap(),
            currency: "USD".to_owned(),
            as_of: Some("2026-01-01".to_owned()),
            source: None,
            confidence: None,
            note: None,
        };
        Ok(vec![price("vcpu_s", "0.000014"), price("mem_gib_s", "0.0000026")])
    }
}
