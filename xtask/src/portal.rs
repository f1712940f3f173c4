//! The portal: compiled to WebAssembly, bound to JavaScript, compressed, and laid out as the server embeds it.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use wasm_bindgen_cli_support::Bindgen;

use crate::run::{cargo, run};

const PACKAGE: &str = "countersign-portal";
const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "portal";
const DIST: &str = "frontend/dist";
/// In the order of the cascade.
const STYLES: [&str; 5] = ["tokens", "base", "layout", "components", "pages"];

/// `cargo SUBCOMMAND` for the portal's package and target.
pub fn cargo_wasm(subcommand: &str) -> Command {
    let mut command = cargo([subcommand, "--package", PACKAGE, "--target", TARGET]);
    // Leptos then boxes the types of views: a tenth less to download.
    command.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
        "--cfg erase_components",
    );
    command
}

/// Builds the portal into `frontend/dist`.
///
/// # Errors
/// It does not compile, or a file cannot be read or written.
pub fn build() -> anyhow::Result<()> {
    run(cargo_wasm("build").args(["--profile", PROFILE]))?;
    let (script, wasm) = bind(
        &target_folder()
            .join(TARGET)
            .join(PROFILE)
            .join("countersign-portal.wasm"),
    )?;
    let mut dist = Dist::default();

    let wasm_name = dist.asset("portal", "wasm", &wasm)?;
    let script_name = dist.asset("portal", "js", script.as_bytes())?;
    let boot = read("frontend/boot.js")?
        .replace("{{script}}", &script_name)
        .replace("{{wasm}}", &wasm_name);
    let boot_name = dist.asset("boot", "js", boot.as_bytes())?;
    let style_name = dist.asset("portal", "css", styles()?.as_bytes())?;
    let icon_name = dist.asset("icon", "svg", read("frontend/icon.svg")?.as_bytes())?;
    let index = read("frontend/index.html")?
        .replace("{{boot}}", &boot_name)
        .replace("{{script}}", &script_name)
        .replace("{{wasm}}", &wasm_name)
        .replace("{{style}}", &style_name)
        .replace("{{icon}}", &icon_name);
    dist.write_compressed("index.html", index.as_bytes())?;
    dist.remove_stale()?;

    let small = fs::metadata(Path::new(DIST).join(format!("assets/{wasm_name}.br")))?.len();
    eprintln!(
        "portal: {} bytes of WebAssembly, {small} with brotli",
        wasm.len()
    );
    Ok(())
}

/// Runs wasm-bindgen as a library: there is no program to install, and its version is the lock file's.
fn bind(input: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let mut output = Bindgen::new()
        .input_path(input)
        .out_name("portal")
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .with_context(|| format!("wasm-bindgen on {}", input.display()))?;
    let inline = output
        .snippets()
        .values()
        .any(|snippets| !snippets.is_empty());
    if inline || !output.local_modules().is_empty() {
        bail!("the portal has JavaScript snippets, which this build does not carry along");
    }
    let script = output.js().to_owned();
    Ok((script, output.wasm_mut().emit_wasm()))
}

fn styles() -> anyhow::Result<String> {
    STYLES
        .iter()
        .map(|name| read(&format!("style/{name}.css")))
        .collect()
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}

/// The folder that the server embeds, and what belongs into it now.
#[derive(Default)]
struct Dist {
    current: BTreeSet<PathBuf>,
}

impl Dist {
    /// Writes an asset named by its content; returns the name.
    fn asset(&mut self, stem: &str, ending: &str, content: &[u8]) -> anyhow::Result<String> {
        let hash = hex::encode(&Sha256::digest(content)[..8]);
        let name = format!("{stem}-{hash}.{ending}");
        self.write_compressed(&format!("assets/{name}"), content)?;
        Ok(name)
    }

    fn write_compressed(&mut self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        // The best compression takes seconds, so it is done only for what changed.
        let unchanged = self.write(path, content)?;
        for (ending, compress) in [("br", brotli as Compress), ("gz", gzip as Compress)] {
            let path = format!("{path}.{ending}");
            if unchanged && Path::new(DIST).join(&path).exists() {
                self.current.insert(Path::new(DIST).join(path));
            } else {
                self.write(&path, &compress(content)?)?;
            }
        }
        Ok(())
    }

    /// Returns whether the same content was there already: it is not touched then, and the server is not built again.
    fn write(&mut self, path: &str, content: &[u8]) -> anyhow::Result<bool> {
        let path = Path::new(DIST).join(path);
        let unchanged = fs::read(&path).is_ok_and(|old| old == content);
        if !unchanged {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, content)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        self.current.insert(path);
        Ok(unchanged)
    }

    /// Earlier builds' assets would be embedded too.
    fn remove_stale(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(Path::new(DIST).join("assets"))? {
            let path = entry?.path();
            if !self.current.contains(&path) {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

type Compress = fn(&[u8]) -> std::io::Result<Vec<u8>>;

fn brotli(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &content[..], &mut out, &parameters)?;
    Ok(out)
}

fn gzip(content: &[u8]) -> std::io::Result<Vec<u8>> {
    // No time stamp and no name in the header: the same content gives the same bytes.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}
