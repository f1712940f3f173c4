//! Chromium, driven through chromedriver.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};
use countersign_harness::program::{Program, free_port};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element, key::Key};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Widths for screenshots: desktop and phone.
const WIDTHS: [(&str, u32, u32); 2] = [("desktop", 1280, 900), ("phone", 390, 844)];
/// Tallest screenshot, in pixels.
const TALLEST: u32 = 3000;
/// What a window needs besides the page, in pixels.
const WINDOW_FRAME: u32 = 160;

/// A browser window.
pub struct Chromium {
    driver: Program,
    client: Client,
    /// Where screenshots go.
    screenshots: PathBuf,
    shots: u32,
}

impl Chromium {
    /// Starts it with a fresh profile in `folder`. The screenshots of this test stay after it.
    pub async fn start(folder: &Path, test: &str) -> anyhow::Result<Self> {
        let screenshots = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/screenshots")
            .join(test);
        if screenshots.exists() {
            std::fs::remove_dir_all(&screenshots)?;
        }
        std::fs::create_dir_all(&screenshots)?;
        let port = free_port()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let mut driver = Program::start("chromedriver", command, &folder.join("chromedriver.log"))
            .context("is chromium-driver installed?")?;
        driver.wait_for(|line| line.contains("started successfully").then_some(()))?;
        let profile = folder.join("chromium-profile");
        let arguments = json!([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            format!("--user-data-dir={}", profile.display()),
        ]);
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities = capabilities.as_object().context("an object")?.clone();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        client.set_window_size(1280, 900).await?;
        Ok(Self {
            driver,
            client,
            screenshots,
            shots: 0,
        })
    }

    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        Ok(self.client.goto(url).await?)
    }

    /// The visible element with this test id.
    pub async fn find(&self, testid: &str) -> anyhow::Result<Element> {
        self.css(&format!("[data-testid='{testid}']")).await
    }

    /// The first visible element that matches.
    pub async fn css(&self, selector: &str) -> anyhow::Result<Element> {
        let wait = self.client.wait().at_most(PATIENCE);
        match wait.for_element(Locator::Css(selector)).await {
            Ok(element) => Ok(element),
            Err(_) => bail!("{selector} is not on the page:\n{}", self.page().await),
        }
    }

    /// All elements that match now.
    pub async fn all(&self, selector: &str) -> anyhow::Result<Vec<Element>> {
        Ok(self.client.find_all(Locator::Css(selector)).await?)
    }

    pub async fn click(&self, testid: &str) -> anyhow::Result<()> {
        self.press(&format!("[data-testid='{testid}']")).await
    }

    /// Clicks what matches, once it is there and takes clicks.
    pub async fn press(&self, selector: &str) -> anyhow::Result<()> {
        let mut last = None;
        for _ in 0..100 {
            let element = self.css(selector).await?;
            match element.click().await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!(
            "{selector} does not take a click: {last:?}\n{}",
            self.page().await
        )
    }

    /// Types into a field in the place of what is in it.
    pub async fn fill(&self, testid: &str, text: &str) -> anyhow::Result<()> {
        let field = self.find(testid).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    pub async fn text(&self, testid: &str) -> anyhow::Result<String> {
        Ok(self.find(testid).await?.text().await?)
    }

    /// Waits until an element's text contains this.
    pub async fn wait_for_text(&self, testid: &str, wanted: &str) -> anyhow::Result<()> {
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            // The element may be replaced at any moment.
            if let Ok(elements) = self.all(&format!("[data-testid='{testid}']")).await {
                for element in elements {
                    let text = element.text().await.unwrap_or_default();
                    if text.to_lowercase().contains(&wanted.to_lowercase()) {
                        return Ok(());
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{testid} never says `{wanted}`:\n{}", self.page().await)
    }

    /// Whether an element with this test id appears in time.
    pub async fn appears(&self, testid: &str, patience: Duration) -> anyhow::Result<bool> {
        let start = std::time::Instant::now();
        while start.elapsed() < patience {
            if !self
                .all(&format!("[data-testid='{testid}']"))
                .await?
                .is_empty()
            {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(false)
    }

    /// Waits until so many elements match.
    pub async fn wait_for_count(&self, selector: &str, count: usize) -> anyhow::Result<()> {
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            if self.all(selector).await?.len() == count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let now = self.all(selector).await?.len();
        bail!(
            "{now} elements match {selector} instead of {count}:\n{}",
            self.page().await
        )
    }

    pub async fn url(&self) -> anyhow::Result<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Text of the whole page.
    pub async fn page(&self) -> String {
        let text = async {
            let body = self.client.find(Locator::Css("body")).await?;
            let url = self.client.current_url().await?;
            Ok::<_, fantoccini::error::CmdError>(format!("{url}\n{}", body.text().await?))
        };
        text.await.unwrap_or_else(|error| error.to_string())
    }

    /// Keeps the page as it is, at both widths; nothing may stick out at the side.
    pub async fn shoot(&mut self, name: &str) -> anyhow::Result<()> {
        self.shots += 1;
        for (device, width, height) in WIDTHS {
            self.client.set_window_size(width, height).await?;
            self.must_be_narrow(width).await?;
            let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let overhang = self
                .client
                .execute(script, vec![])
                .await?
                .as_i64()
                .unwrap_or_default();
            let script = "return document.documentElement.scrollHeight";
            let whole = self
                .client
                .execute(script, vec![])
                .await?
                .as_u64()
                .unwrap_or_default();
            let whole = u32::try_from(whole)?.clamp(height, TALLEST) + WINDOW_FRAME;
            self.client.set_window_size(width, whole).await?;
            // Transitions end, fonts settle.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let path = self
                .screenshots
                .join(format!("{:02}-{name}-{device}.png", self.shots));
            std::fs::write(&path, self.client.screenshot().await?)?;
            anyhow::ensure!(
                overhang <= 0,
                "{}: {overhang} pixels stick out at the side",
                path.display()
            );
        }
        let (_, width, height) = WIDTHS[0];
        self.client.set_window_size(width, height).await?;
        Ok(())
    }

    /// Browser windows have a least width; a phone's must be possible.
    async fn must_be_narrow(&self, width: u32) -> anyhow::Result<()> {
        let inner = self
            .client
            .execute("return window.innerWidth", vec![])
            .await?;
        anyhow::ensure!(
            inner
                .as_u64()
                .is_some_and(|inner| inner <= u64::from(width)),
            "the window is {inner} wide instead of {width}"
        );
        Ok(())
    }

    /// Moves the focus with Tab to the element whose test id begins so, and presses Enter.
    pub async fn enter_on(&self, testid: &str) -> anyhow::Result<()> {
        self.css(&format!("[data-testid^='{testid}']")).await?;
        for _ in 0..80 {
            let focused = self.client.active_element().await?;
            if focused
                .attr("data-testid")
                .await?
                .is_some_and(|id| id.starts_with(testid))
            {
                return Ok(focused
                    .send_keys(&char::from(Key::Enter).to_string())
                    .await?);
            }
            focused.send_keys(&char::from(Key::Tab).to_string()).await?;
        }
        bail!("Tab never reaches {testid}:\n{}", self.page().await)
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.client.close().await?;
        self.driver.terminate()?;
        Ok(())
    }
}
