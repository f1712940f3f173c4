//! `countersign-helper run`.

use std::{io::Write, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use countersign_protocol::about::DEFAULT_HELPER_PORT;

use super::{CardArgs, ConfigArgs, prompt_args::PromptArgs, web_client::WebClientArgs};
use crate::{
    helper::{Helper, Setup},
    loopback,
};

/// How long threads may take to release their cards.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Options of `run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Loopback port. With 0, the system chooses one.
    #[arg(long, default_value_t = DEFAULT_HELPER_PORT)]
    port: u16,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    web_client: WebClientArgs,
    #[command(flatten)]
    cards: CardArgs,
}

pub(super) fn run(args: RunArgs) -> anyhow::Result<()> {
    let config = args.config.directory()?;
    let prompt = args.prompt.prompt(&config)?;
    let helper = Helper::new(Setup {
        config,
        prompt,
        sources: args.cards.sources()?,
        anchors: args.cards.anchors()?,
        demo: args.cards.is_demo(),
    });
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(serve(args.port, args.web_client, helper));
    // Threads reset their cards within this time. A thread that still waits for a server's answer is abandoned.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    ended
}

async fn serve(port: u16, web_client: WebClientArgs, helper: Arc<Helper>) -> anyhow::Result<()> {
    let loopback = loopback::bind(port).await.with_context(|| {
        format!("cannot listen on 127.0.0.1:{port}: check whether another helper is running")
    })?;
    // Programs that start the helper with port 0 read this line.
    writeln!(
        std::io::stdout(),
        "listening on 127.0.0.1:{}",
        loopback.port
    )?;
    tokio::select! {
        () = web_client.serve(helper.clone()) => Ok(()),
        ended = loopback::serve(loopback, helper) => ended.context("the loopback listener failed"),
        signal = stop() => signal.context("cannot wait for signals"),
    }
}

/// Waits for Ctrl-C or SIGTERM. Connections are dropped afterwards, which logs cards out.
async fn stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
