//! `sandboxer.agent.v1.Agent`: what envd has no call for.

use std::sync::Arc;

use sandboxer_envd::agent::process_selector::Selector as WireSelector;
use sandboxer_envd::agent::wait_response::Outcome;
use sandboxer_envd::agent::{
    Agent, MakeSymlinkRequest, MakeSymlinkResponse, ProcessSelector, ReadSymlinkRequest, ReadSymlinkResponse,
    SetModeRequest, SetModeResponse, SignalExit, SignalRequest, SignalResponse, SignalScope, WaitRequest, WaitResponse,
};
use sandboxer_envd::connectrpc::{ConnectError, RequestContext, Response, ServiceRequest, ServiceResult};

use super::faults::signal_fault;
use super::processes::Selector;
use super::reaper::Scope;
use super::status::Exit;
use crate::files::{FileCall, operations};
use crate::shared::Shared;

/// The agent's own calls.
pub(crate) struct OwnService(pub(crate) Arc<Shared>);

fn parse(selector: Option<&ProcessSelector>) -> Result<Selector, ConnectError> {
    match selector.and_then(|selector| selector.selector.as_ref()) {
        Some(WireSelector::Pid(pid)) => Ok(Selector::Pid(*pid)),
        Some(WireSelector::Tag(tag)) => Ok(Selector::Tag(tag.clone())),
        None => Err(ConnectError::invalid_argument("the request selects no process")),
    }
}

#[allow(refining_impl_trait, reason = "the crate's own; naming the answers says more")]
impl Agent for OwnService {
    async fn signal(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, SignalRequest>,
    ) -> ServiceResult<SignalResponse> {
        let request = request.to_owned_message();
        let selector = parse(request.process.as_option())?;
        let command = self.0.processes.find_running(&selector);
        let command = command.ok_or_else(|| ConnectError::not_found(selector.to_string()))?;
        let scope = match request.scope.as_known() {
            Some(SignalScope::SIGNAL_SCOPE_PROCESS) => Scope::Process,
            Some(SignalScope::SIGNAL_SCOPE_GROUP | SignalScope::SIGNAL_SCOPE_UNSPECIFIED) => Scope::Group,
            None => return Err(ConnectError::invalid_argument("there is no such scope")),
        };
        let sent = self.0.processes.reaper.signal(command.pid, request.signal, scope);
        sent.map_err(|error| signal_fault(&error, &selector))?;
        Response::ok(SignalResponse {})
    }

    async fn wait(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, WaitRequest>,
    ) -> ServiceResult<WaitResponse> {
        let selector = parse(request.to_owned_message().process.as_option())?;
        let command = self.0.processes.find(&selector);
        let command = command.ok_or_else(|| ConnectError::not_found(selector.to_string()))?;
        let outcome = match command.ended().await {
            Exit::Code(code) => Outcome::Code(code),
            Exit::Signal { signal, core_dumped } => Outcome::Signal(Box::new(SignalExit { signal, core_dumped })),
        };
        Response::ok(WaitResponse { outcome: Some(outcome) })
    }

    async fn read_symlink(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, ReadSymlinkRequest>,
    ) -> ServiceResult<ReadSymlinkResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(request.path);
        let target = call.run(&path, operations::read_symlink).await?;
        Response::ok(ReadSymlinkResponse { target })
    }

    async fn make_symlink(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, MakeSymlinkRequest>,
    ) -> ServiceResult<MakeSymlinkResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let (path, target) = (call.absolute(request.path), request.target.to_owned());
        call.run(&path, move |path| operations::make_symlink(path, &target)).await?;
        Response::ok(MakeSymlinkResponse {})
    }

    async fn set_mode(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, SetModeRequest>,
    ) -> ServiceResult<SetModeResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let (path, mode) = (call.absolute(request.path), request.mode);
        if mode > 0o7777 {
            return Err(ConnectError::invalid_argument("permission bits are at most 07777"));
        }
        call.run(&path, move |path| operations::set_mode(path, mode)).await?;
        Response::ok(SetModeResponse {})
    }
}
