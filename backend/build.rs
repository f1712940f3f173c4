//! The portal is embedded when it has been built; the server compiles without it, too.

fn main() -> std::io::Result<()> {
    std::fs::create_dir_all("../frontend/dist")?;
    println!("cargo::rerun-if-changed=../frontend/dist");
    Ok(())
}
