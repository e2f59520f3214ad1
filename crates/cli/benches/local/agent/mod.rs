//! An agent on this machine, without a sandbox around it, over each way in.

mod calls;
mod content;
mod ways;

use crate::sample::Table;
use sandboxer_reach::AgentSession;
use ways::{Agent, Way};

/// Measures them one after another: each has the machine to itself.
pub(crate) fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = ways::memory_folder();
    let agent = Agent::start(folder.path());
    runtime.block_on(async {
        let unix = Way::unix(&agent).await;
        calls::measure(table, &unix).await;
        calls::crowd(table, &unix).await;
        let busy = agent.peak_memory();
        content::measure(table, &unix, folder.path()).await;
        let figures = format!("{busy:.1} MB after commands, {:.1} MB after files", agent.peak_memory());
        table.figures("the agent's peak memory", &figures, "-");
        let relay = Way::relay(&agent).await;
        calls::measure(table, &relay).await;
        content::measure(table, &relay, folder.path()).await;
        drop(relay);
        let stdio = Way::stdio().await;
        calls::measure(table, &stdio).await;
        calls::crowd(table, &stdio).await;
        content::measure(table, &stdio, folder.path()).await;
    });
}

/// Measures one that is reached by ssh, on this very machine.
pub(crate) async fn measure_by_ssh(table: &mut Table, session: AgentSession) {
    let folder = ways::memory_folder();
    let way = Way::ssh(session);
    calls::measure(table, &way).await;
    calls::crowd(table, &way).await;
    content::measure(table, &way, folder.path()).await;
}
