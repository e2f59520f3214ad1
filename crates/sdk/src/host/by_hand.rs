//! One request, as somebody typed it.

use super::hosted::HostedExtension;
use crate::Call;
use crate::wire::{
    Ask, AskConnect, AskDeleteSnapshot, AskDescribe, AskEstimateCost, AskExtend, AskFork, AskList, AskListSnapshots,
    AskPause, AskPrices, AskProvision, AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus, AskTeardown,
    AskValidate, AskWaitReady, Method,
};
use sandboxer_types::{ErrorKind, Failure, Object, Residue};
use serde_json::Value;

impl HostedExtension {
    /// Sends one request whose members are given, and returns its result. Members that the method does not have are left
    /// out; one that is missing or of the wrong shape is `invalid_input`, and nothing is sent.
    pub async fn ask_by_hand(&self, call: &Call, method: Method, members: Object) -> Result<Value, Failure> {
        match method {
            Method::Describe => self.typed::<AskDescribe>(call, members).await,
            Method::Validate => self.typed::<AskValidate>(call, members).await,
            Method::Provision => self.typed::<AskProvision>(call, members).await,
            Method::WaitReady => self.typed::<AskWaitReady>(call, members).await,
            Method::Teardown => self.typed::<AskTeardown>(call, members).await,
            Method::Recover => self.typed::<AskRecover>(call, members).await,
            Method::List => self.typed::<AskList>(call, members).await,
            Method::Status => self.typed::<AskStatus>(call, members).await,
            Method::EstimateCost => self.typed::<AskEstimateCost>(call, members).await,
            Method::Prices => self.typed::<AskPrices>(call, members).await,
            Method::Extend => self.typed::<AskExtend>(call, members).await,
            Method::Pause => self.typed::<AskPause>(call, members).await,
            Method::Resume => self.typed::<AskResume>(call, members).await,
            Method::Snapshot => self.typed::<AskSnapshot>(call, members).await,
            Method::Restore => self.typed::<AskRestore>(call, members).await,
            Method::Fork => self.typed::<AskFork>(call, members).await,
            Method::ListSnapshots => self.typed::<AskListSnapshots>(call, members).await,
            Method::DeleteSnapshot => self.typed::<AskDeleteSnapshot>(call, members).await,
            Method::Connect => self.typed::<AskConnect>(call, members).await,
        }
    }

    async fn typed<A: Ask>(&self, call: &Call, members: Object) -> Result<Value, Failure> {
        let ask: A = serde_json::from_value(Value::Object(members))
            .map_err(|error| Failure::invalid_input(format!("the params do not fit `{}`: {error}", A::METHOD)))?;
        let answer = self.ask(call, ask).await?;
        serde_json::to_value(answer).map_err(|error| {
            Failure::new(ErrorKind::Internal, "the result cannot be shown")
                .caused_by(&error)
                .with_residue(Residue::Unknown)
        })
    }
}
