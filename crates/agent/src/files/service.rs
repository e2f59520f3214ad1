//! envd's `filesystem.Filesystem`.

use std::sync::Arc;

use sandboxer_envd::connectrpc::{RequestContext, Response, ServiceRequest, ServiceResult, ServiceStream};
use sandboxer_envd::filesystem::{
    CreateWatcherRequest, CreateWatcherResponse, Filesystem, GetWatcherEventsRequest, GetWatcherEventsResponse,
    ListDirRequest, ListDirResponse, MakeDirRequest, MakeDirResponse, MoveRequest, MoveResponse, RemoveRequest,
    RemoveResponse, RemoveWatcherRequest, RemoveWatcherResponse, StatRequest, StatResponse, WatchDirRequest,
    WatchDirResponse,
};

use super::watch::{self, Wanted};
use super::watch_events::{self, Watching};
use super::{FileCall, entry, list, operations, remove};
use crate::process::keepalive;
use crate::shared::Shared;

/// Names and attributes of files, as envd offers them.
pub(crate) struct FilesystemService(pub(crate) Arc<Shared>);

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
            operations::rename(from, &to)?;
            entry::describe(&to, &accounts)
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
        ctx: RequestContext,
        request: ServiceRequest<'_, WatchDirRequest>,
    ) -> ServiceResult<ServiceStream<WatchDirResponse>> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(request.path);
        let wanted = Wanted {
            recursive: request.recursive,
            described: request.include_entry,
            networks: request.allow_network_mounts,
        };
        let told = watch::start(call, path, wanted).await?;
        let until = ctx.deadline().map(Into::into);
        let watching = Watching { told, keepalive: keepalive(ctx.headers()), until };
        Response::stream_ok(watching.into_stream())
    }

    async fn create_watcher(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, CreateWatcherRequest>,
    ) -> ServiceResult<CreateWatcherResponse> {
        let call = FileCall::new(&self.0, &ctx)?;
        let path = call.absolute(request.path);
        let wanted = Wanted {
            recursive: request.recursive,
            described: request.include_entry,
            networks: request.allow_network_mounts,
        };
        let told = watch::start(call, path, wanted).await?;
        Response::ok(CreateWatcherResponse { watcher_id: self.0.watches.add(told)? })
    }

    async fn get_watcher_events(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, GetWatcherEventsRequest>,
    ) -> ServiceResult<GetWatcherEventsResponse> {
        let told = self.0.watches.take(request.watcher_id)?;
        let events = told.into_iter().map(watch_events::event).collect::<Result<Vec<_>, _>>()?;
        Response::ok(GetWatcherEventsResponse { events })
    }

    async fn remove_watcher(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, RemoveWatcherRequest>,
    ) -> ServiceResult<RemoveWatcherResponse> {
        self.0.watches.remove(request.watcher_id)?;
        Response::ok(RemoveWatcherResponse {})
    }
}
