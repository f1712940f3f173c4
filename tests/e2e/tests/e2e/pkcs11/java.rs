//! Java's keytool and jarsigner.

use anyhow::ensure;
use countersign_harness::deployment::{EC_KEY, RSA_KEY};

use super::tool::Bench;

pub fn all(bench: &Bench) -> anyhow::Result<()> {
    std::fs::write(
        bench.path("java.cfg"),
        format!(
            "name = Countersign\nlibrary = {}\nslot = {}\n",
            bench.module_text()?,
            bench.slot()
        ),
    )?;
    let store = [
        "-keystore",
        "NONE",
        "-storetype",
        "PKCS11",
        "-protected",
        "-addprovider",
        "SunPKCS11",
        "-providerArg",
        "java.cfg",
    ];
    let list = bench.ok(bench.tool("keytool")?.arg("-list").args(store))?;
    ensure!(list.contains(EC_KEY) && list.contains(RSA_KEY), "{list}");
    for (key, options) in [
        (EC_KEY, None),
        (RSA_KEY, None),
        (RSA_KEY, Some("RSASSA-PSS")),
    ] {
        bench.ok(bench.tool("jar")?.args(["cf", "data.jar", "data"]))?;
        let algorithm = options
            .into_iter()
            .flat_map(|algorithm| ["-sigalg", algorithm]);
        bench.ok(bench
            .tool("jarsigner")?
            .args(store)
            .args(algorithm)
            .args(["data.jar", key]))?;
        let verified = bench.ok(bench.tool("jarsigner")?.args(["-verify", "data.jar"]))?;
        ensure!(verified.contains("jar verified"), "{verified}");
    }
    Ok(())
}
