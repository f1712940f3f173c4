//! What people do in the portal, page by page.

use std::time::Duration;

use anyhow::Context;

use crate::chromium::Chromium;

/// How long a log-in takes at most, with everybody's prompts played.
const LOG_IN: Duration = Duration::from_secs(8);

/// The portal in a browser.
pub struct Portal {
    pub browser: Chromium,
    pub origin: String,
}

/// The card's device, as the helper lists it.
fn device(name: &str) -> String {
    let serial: String = name
        .to_uppercase()
        .chars()
        .chain("000000".chars())
        .take(6)
        .collect();
    format!("ZZSIM{serial}00001")
}

impl Portal {
    pub async fn go(&self, page: &str) -> anyhow::Result<()> {
        self.browser.click(&format!("nav-{page}")).await
    }

    /// Enrols with a key that the card generates.
    pub async fn join(&mut self, name: &str) -> anyhow::Result<()> {
        let browser = &self.browser;
        browser.wait_for_text("join-name", name).await?;
        browser
            .click(&format!("join-card-{}", device(name)))
            .await?;
        browser.click("join-generate").await?;
        browser.click("join-submit").await?;
        let words = browser.text("join-result").await?;
        anyhow::ensure!(
            words.split_whitespace().count() >= 6,
            "no six words: {words}"
        );
        Ok(())
    }

    pub async fn log_in(&self, name: &str) -> anyhow::Result<()> {
        self.browser.open(&self.origin).await?;
        self.browser.find("login-button").await?;
        // On a busy machine the page may still move while the mouse is pressed, so that the click hits nothing.
        for _ in 0..3 {
            self.choose_card(name).await?;
            self.browser.click("login-button").await?;
            if self.browser.appears("whoami", LOG_IN).await? {
                break;
            }
        }
        self.browser.wait_for_text("whoami", name).await
    }

    /// Several cards are in the helper: the one with this name. With one key there is nothing to choose.
    async fn choose_card(&self, name: &str) -> anyhow::Result<()> {
        for _ in 0..200 {
            let mut chosen = false;
            let choices = self
                .browser
                .all("label:has([data-testid^='login-card-'])")
                .await?;
            for choice in &choices {
                if choice.text().await?.contains(name) {
                    choice.click().await?;
                    chosen = true;
                }
            }
            let button = self
                .browser
                .all("[data-testid='login-button']:enabled")
                .await?;
            if button.len() == 1 && (chosen || choices.is_empty()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("there is no card of {name}:\n{}", self.browser.page().await)
    }

    pub async fn log_out(&self) -> anyhow::Result<()> {
        self.browser.click("logout").await?;
        self.browser.find("login-button").await?;
        Ok(())
    }

    /// Invites somebody; returns the link.
    pub async fn invite(&self, name: &str, role: &str) -> anyhow::Result<String> {
        let browser = &self.browser;
        self.go("people").await?;
        browser.click("invite-open").await?;
        browser.fill("invite-name", name).await?;
        for offered in ["admin", "custodian", "requester", "auditor"] {
            let tick = browser.find(&format!("invite-role-{offered}")).await?;
            if tick.is_selected().await? != (offered == role) {
                tick.click().await?;
            }
        }
        browser.click("invite-submit").await?;
        browser.wait_for_text("invite-link", "/join#").await?;
        Ok(browser.text("invite-link").await?.trim().to_owned())
    }

    /// Opens what waits on the home page, and authenticates.
    pub async fn authenticate(&mut self, shot: Option<&str>) -> anyhow::Result<()> {
        self.go("home").await?;
        self.browser.press("[data-testid^='waiting-']").await?;
        self.browser
            .wait_for_text("activation-state", "collecting")
            .await?;
        if let Some(name) = shot {
            self.browser.shoot(name).await?;
        }
        self.browser.click("activation-authenticate").await
    }

    /// The same without a mouse.
    pub async fn authenticate_by_keyboard(&self) -> anyhow::Result<()> {
        self.browser.enter_on("waiting-").await?;
        self.browser
            .wait_for_text("activation-state", "collecting")
            .await?;
        self.browser.enter_on("activation-authenticate").await
    }

    /// Id of the activation that is shown.
    pub async fn shown_activation(&self) -> anyhow::Result<String> {
        let url = self.browser.url().await?;
        let (_, id) = url
            .split_once("/a/")
            .with_context(|| format!("{url} is no activation"))?;
        Ok(id.to_owned())
    }
}
