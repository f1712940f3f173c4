//! What people do on the portal's pages.

use anyhow::Context;
use fantoccini::Locator;

use super::chromium::{Chromium, by_testid};

pub struct Portal {
    pub browser: Chromium,
    pub origin: String,
}

/// Device id of a person's card.
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
            "the page shows no fingerprint of six words: {words}"
        );
        Ok(())
    }

    pub async fn log_in(&self, name: &str) -> anyhow::Result<()> {
        self.browser.open(&self.origin).await?;
        self.log_in_here(name).await
    }

    /// Logs in on the page that is open.
    pub async fn log_in_here(&self, name: &str) -> anyhow::Result<()> {
        self.choose_card(name).await?;
        self.browser.click("login-button").await?;
        self.browser.wait_for_text("whoami", name).await
    }

    /// Chooses the card with this name. The page offers no choice if the helper holds only one enrolled key.
    async fn choose_card(&self, name: &str) -> anyhow::Result<()> {
        let browser = &self.browser;
        let card = format!("chose the card of {name}");
        let choice = browser
            .until(&card, async || {
                // The button is read before the choices, because cards that appear in between must not be missed.
                let ready = browser.all("[data-testid='login-button']:enabled").await?;
                let choices = browser.all("[data-testid^='login-card-']").await?;
                if ready.is_empty() || choices.is_empty() {
                    return Ok((!ready.is_empty()).then_some(None));
                }
                for choice in browser
                    .all("label:has([data-testid^='login-card-'])")
                    .await?
                {
                    if choice.text().await?.contains(name) {
                        let input = choice.find(Locator::Css("input")).await?;
                        return Ok(Some(input.attr("data-testid").await?));
                    }
                }
                Ok(None)
            })
            .await?;
        match choice {
            Some(testid) => browser.click(&testid).await,
            None => Ok(()),
        }
    }

    pub async fn log_out(&self) -> anyhow::Result<()> {
        self.browser.click("logout").await?;
        self.browser.find("login-button").await?;
        Ok(())
    }

    /// Invites a person and returns the link.
    pub async fn invite(&self, name: &str, role: &str) -> anyhow::Result<String> {
        let browser = &self.browser;
        self.go("people").await?;
        browser.click("invite-open").await?;
        browser.fill("invite-name", name).await?;
        for offered in ["admin", "custodian", "requester", "auditor"] {
            let tick = by_testid(&format!("invite-role-{offered}"));
            browser
                .until(&format!("ticked {tick}"), async || {
                    let tick = browser.first(&tick).await?;
                    if tick.is_selected().await? == (offered == role) {
                        return Ok(Some(()));
                    }
                    tick.click().await?;
                    Ok(None)
                })
                .await?;
        }
        browser.click("invite-submit").await?;
        browser.wait_for_text("invite-link", "/join#").await?;
        Ok(browser.text("invite-link").await?.trim().to_owned())
    }

    /// Opens the request that the home page lists, and approves it.
    pub async fn approve(&mut self, shot: Option<&str>) -> anyhow::Result<()> {
        self.go("home").await?;
        self.browser.press("[data-testid^='waiting-']").await?;
        self.browser
            .wait_for_text("activation-state", "approvals")
            .await?;
        if let Some(name) = shot {
            self.browser.shoot(name).await?;
        }
        self.browser.click("activation-authenticate").await
    }

    /// [`Self::approve`] without a mouse.
    pub async fn approve_by_keyboard(&self) -> anyhow::Result<()> {
        self.browser.enter_on("waiting-").await?;
        self.browser
            .wait_for_text("activation-state", "approvals")
            .await?;
        self.browser.enter_on("activation-authenticate").await
    }

    /// Id of the activation that the page shows.
    pub async fn shown_activation(&self) -> anyhow::Result<String> {
        let url = self.browser.url().await?;
        let (_, id) = url
            .split_once("/a/")
            .with_context(|| format!("{url} is not an activation's page"))?;
        Ok(id.to_owned())
    }
}
