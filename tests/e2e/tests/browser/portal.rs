//! What people do in the portal, page by page.

use anyhow::Context;
use fantoccini::Locator;

use crate::chromium::{Chromium, by_testid};

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
        self.choose_card(name).await?;
        self.browser.click("login-button").await?;
        self.browser.wait_for_text("whoami", name).await
    }

    /// Several cards are in the helper: the one with this name. With one key there is nothing to choose.
    async fn choose_card(&self, name: &str) -> anyhow::Result<()> {
        let browser = &self.browser;
        let card = format!("chose the card of {name}");
        let choice = browser
            .until(&card, async || {
                // In this order: cards that come in between would be overlooked in the other.
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

    /// Invites somebody; returns the link.
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

    /// Opens what waits on the home page, and authenticates.
    pub async fn authenticate(&mut self, shot: Option<&str>) -> anyhow::Result<()> {
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

    /// The same without a mouse.
    pub async fn authenticate_by_keyboard(&self) -> anyhow::Result<()> {
        self.browser.enter_on("waiting-").await?;
        self.browser
            .wait_for_text("activation-state", "approvals")
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
