//! The options of `run` for pages that use CardContact's web client.

use std::sync::Arc;

use clap::Args;

use crate::{
    helper::Helper,
    loopback,
    trigger::{self, WebClient},
};

/// Options of the web client's trigger.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct WebClientArgs {
    /// Also serve pages made for CardContact's web client, on this loopback port. Such pages use 27001. With 0, the system chooses
    /// one [default: do not serve them].
    #[arg(long, value_name = "PORT")]
    web_client_port: Option<u16>,
    /// Reader of the card for such pages, or the beginning of its name [default: the first reader with a card].
    #[arg(
        long,
        value_name = "NAME",
        requires = "web_client_port",
        default_value = "",
        hide_default_value = true
    )]
    web_client_reader: String,
}

impl WebClientArgs {
    /// Serves for as long as the program runs, if the user has switched it on. If the port is taken, the helper runs without this
    /// service.
    pub(super) async fn serve(self, helper: Arc<Helper>) {
        let Some(port) = self.web_client_port else {
            return std::future::pending().await;
        };
        match loopback::bind(port).await {
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
                "web client: could not listen on port {port} ({error}); CardContact's client or another helper may be running"
            ),
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        web_client: WebClientArgs,
    }

    #[test]
    fn pages_for_the_web_client_are_served_only_on_request() {
        let parse = |args: &[&str]| {
            let args = [&["countersign-helper"], args].concat();
            Options::try_parse_from(args).map(|options| options.web_client.web_client_port)
        };
        assert_eq!(parse(&[]).unwrap(), None);
        assert_eq!(WebClientArgs::default().web_client_port, None);
        assert_eq!(parse(&["--web-client-port", "27001"]).unwrap(), Some(27001));
        assert!(parse(&["--web-client-reader", "x"]).is_err());
    }
}
