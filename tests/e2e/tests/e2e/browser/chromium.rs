//! Chromium, controlled through chromedriver.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use countersign_harness::{ports::free_port, program::Program};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element, error::CmdError, key::Key};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

/// How long a page may take to reach a state.
const TIME_LIMIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Names and sizes for screenshots.
const WIDTHS: [(&str, u32, u32); 2] = [("desktop", 1280, 900), ("phone", 390, 844)];
/// Largest height of a screenshot, in pixels.
const TALLEST: u32 = 3000;
/// Clicks the first element that matches if a mouse would hit it. One script looks and clicks, because a live page can move
/// another element under the mouse between the two steps of the driver's own click.
const CLICK: &str = "
    const element = document.querySelector(arguments[0]);
    if (!element || element.disabled) return false;
    element.scrollIntoView({ block: 'center', behavior: 'instant' });
    const [box] = element.getClientRects();
    if (!box) return false;
    const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    if (!element.contains(hit)) return false;
    element.click();
    return true;";
/// Height of a window's frame, in pixels.
const WINDOW_FRAME: u32 = 160;

/// The selector for a test id.
pub fn by_testid(testid: &str) -> String {
    format!("[data-testid='{testid}']")
}

/// A browser window.
pub struct Chromium {
    driver: Program,
    client: Client,
    screenshots: PathBuf,
    shots: u32,
}

impl Chromium {
    /// Starts Chromium with a new profile in `folder`. Screenshots are kept in `target/screenshots` under the test's name.
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

    /// Runs an asynchronous script on the page, which passes its result to its last argument.
    pub async fn run(
        &self,
        script: &str,
        arguments: Vec<serde_json::Value>,
    ) -> anyhow::Result<serde_json::Value> {
        Ok(self.client.execute_async(script, arguments).await?)
    }

    /// Repeats `attempt` until it succeeds, because a page can replace an element at any moment. `attempt` returns `None` while
    /// the page is not ready.
    pub async fn until<T>(
        &self,
        what: &str,
        mut attempt: impl AsyncFnMut() -> Result<Option<T>, CmdError>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        let mut last = None;
        while start.elapsed() < TIME_LIMIT {
            match attempt().await {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => last = None,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let why = last.map(|error| format!(" ({error})")).unwrap_or_default();
        bail!(
            "{what} without success within {} s{why}:\n{}",
            TIME_LIMIT.as_secs(),
            self.page().await
        )
    }

    /// Waits for the element with this test id.
    pub async fn find(&self, testid: &str) -> anyhow::Result<Element> {
        self.css(&by_testid(testid)).await
    }

    /// Waits for an element that matches.
    pub async fn css(&self, selector: &str) -> anyhow::Result<Element> {
        self.until(&format!("looked for {selector}"), async || {
            self.first(selector).await.map(Some)
        })
        .await
    }

    /// The first element that matches now, without waiting.
    pub async fn first(&self, selector: &str) -> Result<Element, CmdError> {
        self.client.find(Locator::Css(selector)).await
    }

    /// All elements that match now, without waiting.
    pub async fn all(&self, selector: &str) -> Result<Vec<Element>, CmdError> {
        self.client.find_all(Locator::Css(selector)).await
    }

    pub async fn click(&self, testid: &str) -> anyhow::Result<()> {
        self.press(&by_testid(testid)).await
    }

    /// Waits until a matching element accepts clicks, and clicks it.
    pub async fn press(&self, selector: &str) -> anyhow::Result<()> {
        self.until(&format!("clicked {selector}"), async || {
            let clicked = self.client.execute(CLICK, vec![selector.into()]).await?;
            Ok((clicked == true).then_some(()))
        })
        .await
    }

    /// Replaces a field's content.
    pub async fn fill(&self, testid: &str, text: &str) -> anyhow::Result<()> {
        let selector = by_testid(testid);
        self.until(&format!("filled {selector}"), async || {
            let field = self.first(&selector).await?;
            field.clear().await?;
            field.send_keys(text).await.map(Some)
        })
        .await
    }

    pub async fn text(&self, testid: &str) -> anyhow::Result<String> {
        let selector = by_testid(testid);
        self.until(&format!("read {selector}"), async || {
            self.first(&selector).await?.text().await.map(Some)
        })
        .await
    }

    /// Waits until an element's text contains this.
    pub async fn wait_for_text(&self, testid: &str, wanted: &str) -> anyhow::Result<()> {
        let selector = by_testid(testid);
        let wanted = wanted.to_lowercase();
        self.until(
            &format!("waited for `{wanted}` in {selector}"),
            async || {
                for element in self.all(&selector).await? {
                    if element.text().await?.to_lowercase().contains(&wanted) {
                        return Ok(Some(()));
                    }
                }
                Ok(None)
            },
        )
        .await
    }

    /// Waits until exactly this many elements match.
    pub async fn wait_for_count(&self, selector: &str, count: usize) -> anyhow::Result<()> {
        self.until(&format!("waited for {count} of {selector}"), async || {
            let now = self.all(selector).await?.len();
            Ok((now == count).then_some(()))
        })
        .await
    }

    pub async fn url(&self) -> anyhow::Result<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Address and text of the whole page.
    pub async fn page(&self) -> String {
        let text = async {
            let body = self.client.find(Locator::Css("body")).await?;
            let url = self.client.current_url().await?;
            Ok::<_, CmdError>(format!("{url}\n{}", body.text().await?))
        };
        text.await.unwrap_or_else(|error| error.to_string())
    }

    /// Takes screenshots of the page at both widths, and fails if the page is wider than the window.
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
            // Wait for transitions and fonts.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let path = self
                .screenshots
                .join(format!("{:02}-{name}-{device}.png", self.shots));
            let image = self.client.screenshot().await?;
            std::fs::write(&path, &image)?;
            if width == WIDTHS[0].1 {
                update_book(name, &image)?;
            }
            anyhow::ensure!(
                overhang <= 0,
                "{}: the page is {overhang} pixels wider than the window",
                path.display()
            );
        }
        let (_, width, height) = WIDTHS[0];
        self.client.set_window_size(width, height).await?;
        Ok(())
    }

    /// Fails if the browser's smallest window is wider than requested.
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

    /// Moves the focus with Tab to the element whose test id begins with `testid`, and presses Enter.
    pub async fn enter_on(&self, testid: &str) -> anyhow::Result<()> {
        self.css(&format!("[data-testid^='{testid}']")).await?;
        self.until(&format!("tabbed to {testid}"), async || {
            let focused = self.client.active_element().await?;
            let id = focused.attr("data-testid").await?.unwrap_or_default();
            let found = id.starts_with(testid);
            let key = if found { Key::Enter } else { Key::Tab };
            focused.send_keys(&char::from(key).to_string()).await?;
            Ok(found.then_some(()))
        })
        .await
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.client.close().await?;
        self.driver.terminate()?;
        Ok(())
    }
}

/// Replaces the book's copy of a screenshot, if there is one and the environment asks for it.
fn update_book(name: &str, image: &[u8]) -> anyhow::Result<()> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/portal");
    let copy = images.join(format!("{name}.png"));
    if std::env::var_os("COUNTERSIGN_UPDATE").is_some() && copy.exists() {
        std::fs::write(copy, image)?;
    }
    Ok(())
}
