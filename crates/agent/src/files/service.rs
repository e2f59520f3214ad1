//! envd's `filesystem.Filesystem`.

use std::sync::Arc;

use sandboxer_envd::connectrpc::{
    ConnectError, RequestContext, Response, ServiceRequest, ServiceResult, ServiceStream,
};
use sandboxer_envd::filesystem::{
    CreateWatcherRequest, CreateWatcherResponse, Filesystem, GetWatcherEventsRequest, GetWatcherEventsResponse,
    ListDirRequest, ListDirResponse, MakeDirRequest, MakeDirResponse, MoveRequest, MoveResponse, RemoveRequest,
    RemoveResponse, RemoveWatcherRequest, RemoveWatcherResponse, StatRequest, StatResponse, WatchDirRequest,
    WatchDirResponse,
};

use super::{FileCall, entry, list, operations, remove};
use crate::shared::Shared;

/// Names and attributes of files, as envd offers them.
pub(crate) struct FilesystemService(pub(crate) Arc<Shared>);

fn no_watchers() -> ConnectError {
    ConnectError::unimplemented("this agent does not watch directories yet")
}

#[allow(refining_impl_trait, reason = "the crate's own; naming the answers says more")]
impl Filesystem for FilesystemService {
    async fn stat(&self, ctx: RequestContext, request: ServiceRequest<'_, StatRequest>) -> ServiceResult<StatResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(request.path);
        let accounts = self.0.accounts();
        let entry = call.run(&path, move |path| entry::describe(path, &accounts)).await?;
        Response::ok(StatResponse { entry: entry.into() })
    }

    async fn make_dir(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, MakeDirRequest>,
    ) -> ServiceResult<MakeDirResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(request.path);
        let accounts = self.0.accounts();
        let made = move |path: &std::path::Path| {
            operations::make_dir(path)?;
            entry::describe(path, &accounts)
        };
        let entry = call.run(&path, made).await?;
        Response::ok(MakeDirResponse { entry: entry.into() })
    }

    async fn r#move(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, MoveRequest>,
    ) -> ServiceResult<MoveResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let (from, to) = (call.absolute(request.source), call.absolute(request.destination));
        let accounts = self.0.accounts();
        let moved = move |from: &std::path::Path| {
            let to = std::path::Path::new(&to);
            operations::rename(from, to)?;
            entry::describe(to, &accounts)
        };
        let entry = call.run(&from, moved).await?;
        Response::ok(MoveResponse { entry: entry.into() })
    }

    async fn list_dir(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, ListDirRequest>,
    ) -> ServiceResult<ListDirResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let (path, depth) = (call.absolute(request.path), request.depth);
        let accounts = self.0.accounts();
        let entries = call.run(&path, move |path| list::list(path, depth, &accounts)).await?;
        Response::ok(ListDirResponse { entries })
    }

    async fn remove(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, RemoveRequest>,
    ) -> ServiceResult<RemoveResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(request.path);
        call.run(&path, remove::remove).await?;
        Response::ok(RemoveResponse {})
    }

    async fn watch_dir(
        &self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, WatchDirRequest>,
    ) -> ServiceResult<ServiceStream<WatchDirResponse>> {
        Err(no_watchers())
    }

    async fn create_watcher(
        &self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, CreateWatcherRequest>,
    ) -> ServiceResult<CreateWatcherResponse> {
        Err(no_watchers())
    }

    async fn get_watcher_events(
        &self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, GetWatcherEventsRequest>,
    ) -> ServiceResult<GetWatcherEventsResponse> {
        Err(no_watchers())
    }

    async fn remove_watcher(
        &self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, RemoveWatcherRequest>,
    ) -> ServiceResult<RemoveWatcherResponse> {
        Err(no_watchers())
    }
}
