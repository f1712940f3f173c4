//! The options of `run` for pages that use CardContact's web client.

use std::sync::Arc;

use clap::Args;

use crate::{
    helper::Helper,
    loopback,
    trigger::{self, WebClient},
};

/// The port of CardContact's web client.
const PORT: u16 = 27001;

/// Options of the web client's trigger.
#[derive(Clone, Debug, Args)]
pub(super) struct WebClientArgs {
    /// Loopback port for pages that use CardContact's web client. With 0, the system chooses one.
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    web_client_port: u16,
    /// Do not listen on the web-client port.
    #[arg(long, conflicts_with = "web_client_port")]
    no_web_client: bool,
    /// Reader of the card for such pages, or the beginning of its name [default: the first reader with a card].
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    web_client_reader: String,
}

impl Default for WebClientArgs {
    fn default() -> Self {
        Self {
            web_client_port: PORT,
            no_web_client: false,
            web_client_reader: String::new(),
        }
    }
}

impl WebClientArgs {
    /// Serves for as long as the program runs. If the port is taken, the helper runs without this service.
    pub(super) async fn serve(self, helper: Arc<Helper>) {
        if self.no_web_client {
            return std::future::pending().await;
        }
        match loopback::bind(self.web_client_port).await {
            Ok(loopback) => {
                tracing::info!("web client: listening on port {}", loopback.port);
                let client = WebClient {
                    helper,
                    reader: self.web_client_reader,
                };
                let Err(error) = trigger::serve(loopback, client).await;
                tracing::error!("web client: listener failed: {error}");
            }
            Err(error) => tracing::warn!(
                "web client: could not listen on port {} ({error}); CardContact's client or another helper may be running",
                self.web_client_port
            ),
        }
        std::future::pending().await
    }
}
