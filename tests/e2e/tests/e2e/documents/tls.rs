//! docs/tls.md: a self-signed certificate of the server, and a client certificate instead of a token.

use anyhow::ensure;
use countersign_harness::{page::Page, server::Tls, shell::Shell};
use countersign_protocol::{purpose::NewKeyType, token::NewToken};

use super::newcomer::Newcomer;

const HEADING: &str = "## Client certificates";

#[test]
fn a_program_identifies_itself_with_a_client_certificate() -> anyhow::Result<()> {
    let page = Page::read("docs/tls.md")?;
    let options = page.code_span("-addext")?;
    let mut newcomer = Newcomer::prepared(NewKeyType::EcSecp256r1, |setup| {
        let mut shell = Shell::new(&setup.folder.join("certificate"))?;
        shell.replace("sign.example.org", "localhost");
        shell.run(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=Server \
             -keyout key.pem -out certificate.pem {options}"
        ))?;
        setup.server.tls = Some(Tls {
            certificate: shell.path("certificate.pem"),
            key: shell.path("key.pem"),
            authority: shell.path("certificate.pem"),
        });
        Ok(())
    })?;
    let authority = newcomer.deployment.setup.server.tls.as_ref();
    let authority = authority
        .map(|tls| tls.authority.clone())
        .unwrap_or_default();
    newcomer.shell.set("COUNTERSIGN_CA_FILE", &authority);
    newcomer.shell.set("CURL_CA_BUNDLE", &authority);

    let scripts = page.scripts(HEADING)?;
    let [create, curl] = scripts.as_slice() else {
        anyhow::bail!("{} scripts instead of 2", scripts.len());
    };
    newcomer.shell.run(create)?;
    let certificate = std::fs::read_to_string(newcomer.shell.path("client.pem"))?;
    let new = NewToken {
        label: "build7".into(),
        keys: vec![],
        days: 1,
        certificate: Some(certificate),
    };
    let deployment = &newcomer.deployment;
    deployment.doug().create_token(&deployment.helper, new)?;
    newcomer.shell.run(curl)?.must_have("firmware")?;

    let config = page.files(HEADING, "toml")?;
    let [_, config] = config.as_slice() else {
        anyhow::bail!("{} configurations instead of 2", config.len());
    };
    let file = newcomer.shell.home(".config/countersign/config.toml");
    newcomer.shell.write(&file, config)?;
    newcomer
        .shell
        .run("cp -p client.pem client.key ~/.config/countersign/ && countersign keys")?
        .must_have("firmware")?;
    ensure!(!config.contains("token_file"));
    Ok(())
}
