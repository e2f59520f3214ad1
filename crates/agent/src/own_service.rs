//! `sandboxer.agent.v1.Agent`: what envd has no call for.

use std::sync::Arc;

use futures::StreamExt as _;
use sandboxer_envd::agent::{
    Agent, FollowRequest, FollowResponse, ListCommandsRequest, ListCommandsResponse, ListDirectoryRequest,
    ListDirectoryResponse, ListLeasesRequest, ListLeasesResponse, ListPortsRequest, ListPortsResponse,
    MakeDirectoryRequest, MakeDirectoryResponse, MakeHardLinkRequest, MakeHardLinkResponse, MakeSymlinkRequest,
    MakeSymlinkResponse, ReleaseLeaseRequest, ReleaseLeaseResponse, RemoveRequest, RemoveResponse, RenameRequest,
    RenameResponse, SetLeaseRequest, SetLeaseResponse, SetModeRequest, SetModeResponse, SignalRequest, SignalResponse,
    StatRequest, StatResponse, WaitRequest, WaitResponse, WatchRequest, WatchResponse,
};
use sandboxer_envd::connectrpc::{
    ConnectError, RequestContext, Response, ServiceRequest, ServiceResult, ServiceStream,
};

use crate::files::{self, FileCall, operations};
use crate::paths::from_bytes;
use crate::ports;
use crate::process::{keepalive, linger, own};
use crate::shared::Shared;

/// The agent's own calls.
pub(crate) struct OwnService(pub(crate) Arc<Shared>);

#[allow(refining_impl_trait, reason = "the crate's own; naming the answers says more")]
impl Agent for OwnService {
    async fn signal(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, SignalRequest>,
    ) -> ServiceResult<SignalResponse> {
        own::signal(&self.0.processes, &request.to_owned_message())?;
        Response::ok(SignalResponse {})
    }

    async fn wait(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, WaitRequest>,
    ) -> ServiceResult<WaitResponse> {
        let exit = own::wait(&self.0.processes, &request.to_owned_message()).await?;
        Response::ok(WaitResponse { exit: exit.into() })
    }

    async fn list_commands(
        &self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, ListCommandsRequest>,
    ) -> ServiceResult<ListCommandsResponse> {
        Response::ok(ListCommandsResponse { commands: own::list(&self.0.processes) })
    }

    async fn follow(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, FollowRequest>,
    ) -> ServiceResult<ServiceStream<FollowResponse>> {
        let pace = own::Pace { keepalive: keepalive(ctx.headers()), linger: linger(ctx.headers()) };
        let followed = own::follow(&self.0.processes, &request.to_owned_message(), &pace)?;
        Response::stream_ok(followed)
    }

    async fn stat(&self, ctx: RequestContext, request: ServiceRequest<'_, StatRequest>) -> ServiceResult<StatResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(from_bytes(request.path));
        let accounts = self.0.accounts();
        let entry = call.run(&path, move |path| files::describe(path, &accounts)).await?;
        Response::ok(StatResponse { entry: entry.into() })
    }

    async fn list_directory(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, ListDirectoryRequest>,
    ) -> ServiceResult<ServiceStream<ListDirectoryResponse>> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(from_bytes(request.path));
        Response::stream_ok(files::list_directory(call, path).await?)
    }

    async fn make_directory(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, MakeDirectoryRequest>,
    ) -> ServiceResult<MakeDirectoryResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(from_bytes(request.path));
        call.run(&path, operations::make_dir).await?;
        Response::ok(MakeDirectoryResponse {})
    }

    async fn rename(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, RenameRequest>,
    ) -> ServiceResult<RenameResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let (from, to) = (call.absolute(from_bytes(request.from)), call.absolute(from_bytes(request.to)));
        call.run(&from, move |from| operations::rename(from, &to)).await?;
        Response::ok(RenameResponse {})
    }

    async fn remove(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, RemoveRequest>,
    ) -> ServiceResult<RemoveResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(from_bytes(request.path));
        call.run(&path, files::remove).await?;
        Response::ok(RemoveResponse {})
    }

    async fn make_symlink(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, MakeSymlinkRequest>,
    ) -> ServiceResult<MakeSymlinkResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let (path, target) = (call.absolute(from_bytes(request.path)), from_bytes(request.target).to_owned());
        call.run(&path, move |path| operations::make_symlink(path, &target)).await?;
        Response::ok(MakeSymlinkResponse {})
    }

    async fn make_hard_link(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, MakeHardLinkRequest>,
    ) -> ServiceResult<MakeHardLinkResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let (path, existing) = (call.absolute(from_bytes(request.path)), call.absolute(from_bytes(request.existing)));
        call.run(&path, move |path| operations::make_hard_link(path, &existing)).await?;
        Response::ok(MakeHardLinkResponse {})
    }

    async fn set_mode(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, SetModeRequest>,
    ) -> ServiceResult<SetModeResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let (path, mode) = (call.absolute(from_bytes(request.path)), request.mode);
        if mode > 0o7777 {
            return Err(ConnectError::invalid_argument("permission bits are at most 07777"));
        }
        call.run(&path, move |path| operations::set_mode(path, mode)).await?;
        Response::ok(SetModeResponse {})
    }

    async fn watch(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, WatchRequest>,
    ) -> ServiceResult<ServiceStream<WatchResponse>> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(from_bytes(request.path));
        let events = files::watch_directory(call, path, request.recursive, keepalive(ctx.headers())).await?;
        Response::stream_ok(events.boxed())
    }

    async fn list_ports(
        &self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, ListPortsRequest>,
    ) -> ServiceResult<ListPortsResponse> {
        let accounts = self.0.accounts();
        let ports = self.0.workers.run(None, move || ports::listening(&accounts)).await;
        let ports = ports.map_err(|error| ConnectError::internal(format!("cannot list the ports: {error}")))?;
        Response::ok(ListPortsResponse { ports })
    }

    async fn set_lease(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, SetLeaseRequest>,
    ) -> ServiceResult<SetLeaseResponse> {
        self.0.leases.set(request.to_owned_message())?;
        Response::ok(SetLeaseResponse {})
    }

    async fn release_lease(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, ReleaseLeaseRequest>,
    ) -> ServiceResult<ReleaseLeaseResponse> {
        self.0.leases.release(request.name);
        Response::ok(ReleaseLeaseResponse {})
    }

    async fn list_leases(
        &self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, ListLeasesRequest>,
    ) -> ServiceResult<ListLeasesResponse> {
        Response::ok(ListLeasesResponse { leases: self.0.leases.list() })
    }
}
