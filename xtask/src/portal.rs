//! Builds the portal: compiles it to WebAssembly, binds it to JavaScript, and compresses the files that the server embeds.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use wasm_bindgen_cli_support::Bindgen;

use crate::run::{cargo, run};

const PACKAGE: &str = "countersign-portal";
const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "portal";
const DIST: &str = "frontend/dist";
/// Style sheets in the order of the cascade.
const STYLES: [&str; 5] = ["tokens", "base", "layout", "components", "pages"];

fn compile() -> anyhow::Result<()> {
    let mut command = cargo(["build", "--package", PACKAGE, "--target", TARGET]);
    command.args(["--profile", PROFILE]);
    // With this flag Leptos boxes the types of views, which makes the download smaller by a tenth.
    command.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
        "--cfg erase_components",
    );
    run(&mut command)
}

/// Builds the portal into `frontend/dist`.
pub fn build() -> anyhow::Result<()> {
    compile()?;
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
        "portal: {} bytes of WebAssembly, {small} bytes with brotli",
        wasm.len()
    );
    Ok(())
}

/// Runs wasm-bindgen as a library, so that nothing has to be installed and the lock file determines the version.
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
        bail!("the portal has JavaScript snippets, which this build cannot embed");
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

/// The folder that the server embeds.
#[derive(Default)]
struct Dist {
    /// Files of this build.
    current: BTreeSet<PathBuf>,
}

impl Dist {
    /// Writes an asset whose name contains a hash of its content, and returns the name.
    fn asset(&mut self, stem: &str, ending: &str, content: &[u8]) -> anyhow::Result<String> {
        let hash = hex::encode(&Sha256::digest(content)[..8]);
        let name = format!("{stem}-{hash}.{ending}");
        self.write_compressed(&format!("assets/{name}"), content)?;
        Ok(name)
    }

    fn write_compressed(&mut self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        // The best compression takes seconds, so unchanged files are not compressed again.
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

    /// Returns whether the file had this content already. Then it is not touched, so that cargo does not build the server again.
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

    /// Removes the assets of earlier builds, which the server would embed too.
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
    // The header contains neither time nor name, so that the same content gives the same bytes.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}
