//! The trigger of CardContact's web client, as an option of `run`.

use std::sync::Arc;

use clap::Args;

use crate::{
    helper::Helper,
    loopback,
    trigger::{self, WebClient},
};

/// Where CardContact's web client listens.
const PORT: u16 = 27001;

/// Options of the web client's trigger.
#[derive(Clone, Debug, Args)]
pub(super) struct WebClientArgs {
    /// Loopback port on which pages made for CardContact's web client ask for a card; 0: the system chooses one.
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    web_client_port: u16,
    /// Leave that port to CardContact's own client, or to nobody.
    #[arg(long, conflicts_with = "web_client_port")]
    no_web_client: bool,
    /// Reader of the card that pages may get, or how its name begins; the default is the first reader with a card.
    #[arg(long, value_name = "NAME", default_value = "")]
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
    /// Serves for as long as the program runs. A port that is taken is no reason not to serve the rest.
    pub(super) async fn serve(self, helper: Arc<Helper>) {
        if self.no_web_client {
            return std::future::pending().await;
        }
        match loopback::bind(self.web_client_port).await {
            Ok(loopback) => {
                tracing::info!("web client on port {}", loopback.port);
                let client = WebClient {
                    helper,
                    reader: self.web_client_reader,
                };
                let Err(error) = trigger::serve(loopback, client).await;
                tracing::error!("the web client's listener failed: {error}");
            }
            Err(error) => tracing::warn!(
                "no web client: port {} can't be used ({error}). CardContact's client, or another helper, may be running",
                self.web_client_port
            ),
        }
        std::future::pending().await
    }
}
